import { create } from 'zustand'

export interface Toast {
  id: number
  tone: 'ok' | 'bad' | 'info'
  title: string
  detail?: string
}

let counter = 0
const LIFETIME_MS = 7000

export const useToasts = create<{ toasts: Toast[] }>(() => ({ toasts: [] }))

export const dismissToast = (id: number) =>
  useToasts.setState((state) => ({ toasts: state.toasts.filter((toast) => toast.id !== id) }))

/** Shows a short message for some seconds; the same text is read out by screen readers. */
export function toast(tone: Toast['tone'], title: string, detail?: string) {
  counter += 1
  const id = counter
  useToasts.setState((state) => ({ toasts: [...state.toasts.slice(-3), { id, tone, title, detail }] }))
  setTimeout(() => dismissToast(id), LIFETIME_MS)
}
