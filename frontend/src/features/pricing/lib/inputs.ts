import { parseUsdc } from '@/chain/amount'
import { factorsOf, multiplierOf, priceUnits, type Tier, URGENCY_BPS, type Urgency } from '@/chain/pricing'

/** What a price is computed from, as typed; it lives in the page's address. */
export interface Inputs {
  base: string
  complexity: number
  urgency: Urgency
  successes: string
  decided: string
}

/** The worked example: base 1.00, a record of 95%, the simplest task, no hurry. It gives 3.00. */
export const EXAMPLE: Inputs = { base: '1.00', complexity: 1, urgency: '1.0', successes: '19', decided: '20' }

const isUrgency = (text: string | null): text is Urgency => text !== null && Object.hasOwn(URGENCY_BPS, text)

/** The inputs in an address; what is not there, or cannot be, is as in the example. */
export function inputsOf(params: URLSearchParams): Inputs {
  const complexity = Number(params.get('complexity'))
  const urgency = params.get('urgency')
  return {
    base: params.get('base') ?? EXAMPLE.base,
    complexity: Number.isInteger(complexity) && complexity >= 1 && complexity <= 10 ? complexity : EXAMPLE.complexity,
    urgency: isUrgency(urgency) ? urgency : EXAMPLE.urgency,
    successes: params.get('successes') ?? EXAMPLE.successes,
    decided: params.get('decided') ?? EXAMPLE.decided,
  }
}

const count = (text: string): number | null => (/^[0-9]{1,6}$/.test(text.trim()) ? Number(text) : null)

export type InputErrors = Partial<Record<keyof Inputs, string>>

/** What is wrong with the inputs, in sentences. */
export function inputErrors({ base, successes, decided }: Inputs): InputErrors {
  const errors: InputErrors = {}
  const units = parseUsdc(base)
  if (units === null || units === 0n) errors.base = 'Write an amount such as 1.00.'
  const [won, all] = [count(successes), count(decided)]
  if (won === null) errors.successes = 'Write a whole number.'
  if (all === null) errors.decided = 'Write a whole number.'
  else if (won !== null && won > all) errors.decided = 'At least as many as succeeded.'
  return errors
}

export interface PriceOf {
  base_units: string
  price_units: string
  factors: ReturnType<typeof factorsOf>
  tier: Tier
}

/** The price of inputs, computed here; null where one of them is wrong. */
export function priceOf(inputs: Inputs): PriceOf | null {
  if (Object.keys(inputErrors(inputs)).length > 0) return null
  const base = parseUsdc(inputs.base) ?? 0n
  const [successes, decided] = [Number(inputs.successes), Number(inputs.decided)]
  const urgency = URGENCY_BPS[inputs.urgency]
  const { tier, multiplierBps } = multiplierOf(successes, decided)
  return {
    base_units: base.toString(),
    price_units: priceUnits(base, multiplierBps, inputs.complexity, urgency).toString(),
    factors: factorsOf(successes, decided, inputs.complexity, urgency),
    tier,
  }
}
