import { fireEvent, render, screen } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { describe, expect, it } from 'vitest'
import { Explained } from './Explained'

const TEXT = 'Can no longer be undone.'

function shown() {
  render(
    <>
      <Explained text={TEXT}>final</Explained>
      <p>elsewhere</p>
    </>,
  )
  return { user: userEvent.setup(), word: screen.getByRole('button', { name: 'final' }) }
}

describe('Explained', () => {
  it('is reached and opened by keys alone, describes its word, and closes on Escape', async () => {
    const { user, word } = shown()
    expect(screen.queryByText(TEXT)).toBeNull()
    await user.tab()
    expect(word).toHaveFocus()
    await user.keyboard('{Enter}')
    expect(word).toHaveAccessibleDescription(TEXT)
    expect(word).toHaveAttribute('aria-expanded', 'true')
    await user.keyboard('{Escape}')
    expect(screen.queryByText(TEXT)).toBeNull()
    expect(word).toHaveFocus()
  })

  it('closes when pressed again, when something else is pressed, and when the page is scrolled', async () => {
    const { user, word } = shown()
    await user.click(word)
    await user.click(word)
    expect(screen.queryByText(TEXT)).toBeNull()
    await user.click(word)
    await user.click(screen.getByText('elsewhere'))
    expect(screen.queryByText(TEXT)).toBeNull()
    await user.click(word)
    fireEvent.scroll(document)
    expect(screen.queryByText(TEXT)).toBeNull()
  })

  it('stays inside a narrow window', async () => {
    const { user, word } = shown()
    window.innerWidth = 360
    word.getBoundingClientRect = () => ({ left: 300, top: 10, bottom: 30 }) as DOMRect
    await user.click(word)
    expect(screen.getByText(TEXT)).toHaveStyle({ left: '96px', width: '256px', top: '34px' })
  })
})
