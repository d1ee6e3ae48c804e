import { zeroHash } from 'viem'
import { describe, expect, it } from 'vitest'
import { cards, reputationOf, root } from '@/test/reputation'
import { proofProblems } from './proof'
import { addsUp, forecastOf, scoreAfter } from './steps'

/* The published vectors say what every agent's score is, and what becomes of it after 0 and 400 days. */

describe.each(cards)('$agent', (card) => {
  const shown = reputationOf(card)

  it('has steps that lead to its score', () => {
    expect(addsUp(shown)).toBe(true)
    expect(addsUp({ ...shown, score: shown.score + 1 })).toBe(false)
    expect(addsUp({ ...shown, current: shown.current + 1 })).toBe(false)
  })

  it('decays as the rule foretells', () => {
    expect([scoreAfter(shown, 0), scoreAfter(shown, 400)]).toEqual([card.forecast[0], card.forecast[3]])
    expect(forecastOf(shown).map(({ days }) => days)).toEqual(Array.from({ length: 91 }, (_, day) => day))
  })
})

describe('a proof', () => {
  const [card, other] = cards.map(reputationOf)
  if (!card?.anchor || !other?.anchor) throw new Error('the vectors have no two agents')
  const { anchor } = card

  it('holds for the score that is shown, and the root on the chain', () => {
    expect(proofProblems(card, anchor, undefined)).toEqual([])
    expect(proofProblems(card, anchor, root)).toEqual([])
  })
  it('shows what differs', () => {
    expect(proofProblems(card, anchor, zeroHash)).toEqual(['root'])
    expect(proofProblems({ ...card, score: card.score + 1 }, anchor, root)).toEqual(['score'])
    expect(proofProblems(other, anchor, root)).toContain('agent')
    expect(proofProblems(card, { ...anchor, epoch: 2 }, root)).toEqual(['epoch'])
    const forged = { ...anchor, leaf: { ...anchor.leaf, score: card.score + 1 } }
    expect(proofProblems({ ...card, score: card.score + 1 }, forged, root)).toEqual(['proof'])
  })
})
