import type { TaskIn } from '@/api/types'
import { formatRate, formatUsdc, parseUsdc } from '@/chain/amount'
import { DEFAULT_WEIGHTS, type Weights } from '@/chain/awarding'

/** Weight of each term as typed, in percent. */
export interface WeightsForm {
  weightPrice: string
  weightReputation: string
  weightTime: string
  weightSpecialty: string
}

/** What the form holds about the auction; amounts and percents as typed, empty for none. */
export interface AuctionForm extends WeightsForm {
  /** `buyer`: chosen by hand; `rule`: by the published rule. */
  award: 'buyer' | 'rule'
  reserve: string
  /** Seconds to show sealed bids; 0 for open bids. */
  revealSeconds: number
  buyNow: string
  /** Seconds before the end within which a bid moves it; 0 for never. */
  extensionSeconds: number
}

const percent = (bps: number) => String(bps / 100)

/** The default: open bids, the buyer chooses. */
export const EMPTY_AUCTION: AuctionForm = {
  award: 'buyer',
  reserve: '',
  revealSeconds: 0,
  buyNow: '',
  extensionSeconds: 0,
  weightPrice: percent(DEFAULT_WEIGHTS.price),
  weightReputation: percent(DEFAULT_WEIGHTS.reputation),
  weightTime: percent(DEFAULT_WEIGHTS.time),
  weightSpecialty: percent(DEFAULT_WEIGHTS.specialty),
}

/** A late bid moves the end at most this many times its window, and a day. */
const MOST_EXTENSIONS = 10
const MAX_EXTENDED_SECONDS = 86_400

/** Basis points of a percent as typed, with at most two decimals; null for what is none. */
export function parsePercent(text: string): number | null {
  const match = /^([0-9]{1,3})(?:\.([0-9]{1,2}))?$/.exec(text.trim())
  if (!match) return null
  const bps = Number(match[1]) * 100 + Number((match[2] ?? '').padEnd(2, '0'))
  return bps <= 10_000 ? bps : null
}

/** The weights as typed in basis points; null where one of them is no percent. */
export function weightsOf(form: WeightsForm): Weights | null {
  const price = parsePercent(form.weightPrice)
  const reputation = parsePercent(form.weightReputation)
  const time = parsePercent(form.weightTime)
  const specialty = parsePercent(form.weightSpecialty)
  if (price === null || reputation === null || time === null || specialty === null) return null
  return { price, reputation, time, specialty }
}

/** Together, in basis points. */
export const sumOf = ({ price, reputation, time, specialty }: Weights): number => price + reputation + time + specialty

/** What is wrong with the weights, in a sentence. */
export function weightsError(form: WeightsForm): string | undefined {
  const weights = weightsOf(form)
  if (weights === null) return 'Write each weight as a percent from 0 to 100, with at most two decimals.'
  const sum = sumOf(weights)
  return sum === 10_000 ? undefined : `Together they must be 100%; now they are ${formatRate(sum)}.`
}

/** What is wrong with a price that may not be above a limit. */
function limitedError(text: string, minimum: bigint, limit: bigint | null, above: string): string | undefined {
  const price = parseUsdc(text)
  if (price === null) return 'Write an amount such as 25 or 0.40.'
  if (price < minimum) return `The smallest price is ${formatUsdc(minimum)} USDC.`
  return limit !== null && price > limit ? above : undefined
}

/** What must be changed about the auction before the task can be posted; `budget` is null where it is none yet. */
export function auctionErrors(form: AuctionForm, budget: bigint | null, minimum: bigint) {
  const byRule = form.award === 'rule'
  const reserve = byRule && form.reserve.trim() !== '' ? parseUsdc(form.reserve) : null
  const limit = reserve ?? budget
  const hasBuyNow = form.buyNow.trim() !== '' && form.revealSeconds === 0
  return {
    weightPrice: byRule ? weightsError(form) : undefined,
    reserve:
      byRule && form.reserve.trim() !== ''
        ? limitedError(form.reserve, minimum, budget, 'The reserve price is above the budget.')
        : undefined,
    buyNow: hasBuyNow
      ? limitedError(form.buyNow, minimum, limit, 'It is above what the auction would take anyway.')
      : undefined,
  }
}

/** The auction as the service takes it. The form has been validated. */
export function auctionOf(
  form: AuctionForm,
): Pick<TaskIn, 'award_weights' | 'reserve_units' | 'reveal_seconds' | 'buy_now_units' | 'extension'> {
  const byRule = form.award === 'rule'
  const sealed = form.revealSeconds > 0
  const amount = (text: string) => parseUsdc(text)?.toString() ?? null
  return {
    award_weights: byRule ? weightsOf(form) : null,
    reserve_units: byRule ? amount(form.reserve) : null,
    reveal_seconds: sealed ? form.revealSeconds : null,
    buy_now_units: sealed ? null : amount(form.buyNow),
    extension:
      sealed || form.extensionSeconds === 0
        ? null
        : {
            window_seconds: form.extensionSeconds,
            most_seconds: Math.min(form.extensionSeconds * MOST_EXTENSIONS, MAX_EXTENDED_SECONDS),
          },
  }
}

/** The auction in a line, for the head of the folded options. */
export function auctionText(form: AuctionForm): string {
  const bids = form.revealSeconds > 0 ? 'sealed bids' : 'open bids'
  const winner = form.award === 'rule' ? 'the rule chooses the winner' : 'you choose the winner'
  const more = form.buyNow.trim() !== '' && form.revealSeconds === 0 ? `, buy now at ${form.buyNow.trim()} USDC` : ''
  return `${bids}, ${winner}${more}`
}
