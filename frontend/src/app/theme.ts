import { create } from 'zustand'

export type Theme = 'light' | 'dark'
const KEY = 'aicp.theme'

const current = (): Theme => (document.documentElement.classList.contains('dark') ? 'dark' : 'light')

export const useTheme = create<{ theme: Theme }>(() => ({ theme: current() }))

/** Switches and remembers the theme. */
export function setTheme(theme: Theme) {
  document.documentElement.classList.toggle('dark', theme === 'dark')
  localStorage.setItem(KEY, theme)
  useTheme.setState({ theme })
}

/** Follows the system while the reader has not chosen a theme here. Call once; a reader's own choice always wins. */
export function followSystemTheme() {
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', ({ matches }) => {
    if (localStorage.getItem(KEY) !== null) return
    document.documentElement.classList.toggle('dark', matches)
    useTheme.setState({ theme: matches ? 'dark' : 'light' })
  })
}
