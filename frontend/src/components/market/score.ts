import type { LeaderOut } from '@/api/types'
import { type Dimension, SPECIALTIES } from '@/chain/specialties'
import type { Tone } from '../ui/Badge'

export type TierName = LeaderOut['tier']

/** A score of hundredths as people read it: 8750 is `87.50`. */
export const scoreText = (hundredths: number): string =>
  `${Math.floor(hundredths / 100)}.${String(hundredths % 100).padStart(2, '0')}`

/** Tone and words of every tier, best first. */
export const TIER_WORDS: Record<TierName, { tone: Tone; word: string }> = {
  excellent: { tone: 'ok', word: 'Excellent' },
  very_good: { tone: 'ok', word: 'Very good' },
  good: { tone: 'info', word: 'Good' },
  fair: { tone: 'warn', word: 'Fair' },
  low: { tone: 'bad', word: 'Low' },
  new: { tone: 'neutral', word: 'Newcomer' },
}

/** The kinds of specialty, in words. */
export const DIMENSIONS: Record<Dimension, string> = { task_type: 'Task type', industry: 'Industry', region: 'Region' }

const isDimension = (name: string): name is Dimension => name in SPECIALTIES

/** A kind of specialty in words; one the page does not know reads as it is written. */
export const dimensionWord = (name: string): string => (isDimension(name) ? DIMENSIONS[name] : name)

/** A specialty in words: `ml_training` is `ml training`. */
export const specialtyWord = (value: string): string => value.replaceAll('_', ' ')

/** A factor of basis points as people read it: 12500 is `1.25`. */
export const factorText = (bps: number): string => String(bps / 10_000)
