import type { DealRole, DisputeOut } from '@/api/types'
import { amountText } from '@/components/web3/Amount'
import { appealRule } from './words'

type Appeal = NonNullable<DisputeOut['appeal']>
export type AppealSide = Appeal['sides'][number]

/** What an open appeal asks of its reader. */
export interface AppealNow {
  sentence: string
  /** Unix seconds at which what the sentence says is over. */
  until: number
  /** Whether the reader should pay for his side now, or lose something by not doing it. */
  pays: boolean
  /** Whether he loses the whole dispute by not paying, whatever the votes are. */
  urgent: boolean
}

/** The reader's own side of an appeal; none for a verifier. */
export const ownSide = (appeal: Appeal, role: DealRole): AppealSide | undefined =>
  appeal.sides.find((side) => side.role === role)

/** Whether what is missing for a side can still be paid at `now`, in unix seconds. */
export const isPayable = (side: AppealSide, now: number): boolean =>
  side.payable_until !== null && side.payable_until > now

/** What a party of a dispute reads of an appeal that still runs. */
function sentenceOf(appeal: Appeal, own: AppealSide): string {
  const other = own.role === 'buyer' ? 'agent' : 'buyer'
  const theirs = amountText(ownSide(appeal, other)?.missing_units ?? '0')
  const missing = amountText(own.missing_units)
  const isPaid = own.missing_units === '0'
  if (appeal.challenged)
    return isPaid
      ? `Your side is paid for. If nobody pays ${theirs} for the ${other} in time, you win; otherwise a larger panel votes.`
      : `The ${other} has appealed. Pay ${missing} for your side in time, or you lose the dispute.`
  if (appeal.verdict === 'neither')
    return `The votes are for neither side. Pay ${missing} in time and you win, unless the ${other} pays too: then a larger panel votes.`
  if (appeal.verdict !== own.role)
    return `The votes are against you. You can appeal: pay ${missing} in time, or the votes stand.`
  return isPaid
    ? `The votes are for you, and your side of an appeal is already paid. If the ${other} appeals in time, a larger panel votes.`
    : `The votes are for you: you owe nothing yet. If the ${other} appeals in time, you then have to pay ${missing} too, or you lose.`
}

/** What an open appeal asks of a reader at `now`, in unix seconds. */
export function appealNow(appeal: Appeal, role: DealRole, now: number): AppealNow {
  const until = appeal.challenged ? appeal.ends_at : appeal.challenge_by
  const idle = { until, pays: false, urgent: false }
  if (until <= now) return { ...idle, sentence: "The time to appeal is over; the arbiter's ruling follows." }
  const own = ownSide(appeal, role)
  if (!own) return { ...idle, sentence: appealRule(appeal) }
  const asked = appeal.challenged || appeal.verdict !== role
  const pays = asked && isPayable(own, now)
  return { until, pays, urgent: pays && appeal.challenged, sentence: sentenceOf(appeal, own) }
}
