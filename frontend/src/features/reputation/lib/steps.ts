import type { ReputationOut } from '@/api/types'
import { DECAY, decayed, MAX_DAYS } from '@/chain/decay'
import { believed, FLOOR, RECENT_DAYS, withActivity } from '@/chain/reputation'

/* The way from what an agent's deals say to its score, walked again in the page. */

type Steps = Pick<
  ReputationOut,
  'base' | 'recent' | 'current' | 'score' | 'days_since_outcome' | 'active_days' | 'witnesses_ppm'
>

export interface ForecastPoint {
  /** Days after the epoch's end. */
  days: number
  score: number
}

const FORECAST_DAYS = 90

/** Days after which no deal of the epoch is young any more: from then on the steps alone decide. */
export const CERTAIN_AFTER = RECENT_DAYS

/** Days since the last outcome, as the table of decay counts them. */
const daysOf = (steps: Steps, ahead: number) => Math.min((steps.days_since_outcome ?? MAX_DAYS) + ahead, MAX_DAYS)

/** Whether base, recent, decay, activity and witnesses give the current score and the score that are shown. */
export function addsUp(steps: Steps): boolean {
  const current = withActivity(decayed(steps.base, steps.recent, daysOf(steps, 0)), steps.active_days)
  return current === steps.current && believed(current, BigInt(steps.witnesses_ppm)) === steps.score
}

/** The share of the old score that is left, in basis points. */
export const leftBps = (steps: Steps): number => Number((DECAY[daysOf(steps, 0)] ?? 0n) / 10n ** 14n)

/**
 * The score so many days after the epoch if nothing more happens. Deals of the last 30 days leave that window one by one,
 * which only who knows them all can follow: they are taken as they stand until the last of them is out.
 */
export function scoreAfter(steps: Steps, ahead: number): number {
  const [then, now] = [daysOf(steps, ahead), daysOf(steps, 0)]
  const stand = ahead <= RECENT_DAYS && (then <= RECENT_DAYS || now > RECENT_DAYS)
  const [recent, activeDays] = stand ? [steps.recent, steps.active_days] : [FLOOR, 0]
  const current = withActivity(decayed(steps.base, recent, then), activeDays)
  return believed(current, BigInt(steps.witnesses_ppm))
}

/** The next 90 days, day by day. */
export const forecastOf = (steps: Steps): ForecastPoint[] =>
  Array.from({ length: FORECAST_DAYS + 1 }, (_, days) => ({ days, score: scoreAfter(steps, days) }))
