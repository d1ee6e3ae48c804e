import { type Address, getAddress, isAddress, isAddressEqual, zeroAddress } from 'viem'
import type { Constants } from '@/api/types'
import { formatUsdc, parseUsdc } from '@/chain/amount'
import type { Urgency } from '@/chain/pricing'
import { filesError } from '@/components/ui/files'
import { type AuctionForm, auctionErrors, EMPTY_AUCTION } from './auction'

/** What the form holds; texts as typed. */
export interface TaskForm extends AuctionForm {
  title: string
  description: string
  capability: string
  budget: string
  complexity: number
  urgency: Urgency
  escrowOnly: boolean
  /** Address of who may release together with the agent; empty for nobody. */
  verifier: string
  auctionSeconds: number
  deliverWithinSeconds: number
  /** What the work is worth before any factor, for the guide price; not part of the task. */
  base: string
  /** No auction: the scheduler asks agents, at the budget at most. */
  instant: boolean
  files: File[]
}

export const EMPTY_FORM: TaskForm = {
  title: '',
  description: '',
  capability: 'data_processing',
  budget: '',
  complexity: 1,
  urgency: '1.0',
  escrowOnly: false,
  verifier: '',
  auctionSeconds: 300,
  deliverWithinSeconds: 3600,
  base: '1.00',
  instant: false,
  ...EMPTY_AUCTION,
  files: [],
}

export type FormErrors = Partial<Record<keyof TaskForm, string>>

/** What is wrong with a budget, in a sentence. */
export function budgetError(text: string, minimumUnits: bigint): string | undefined {
  const budget = parseUsdc(text)
  if (text.trim() === '') return 'Say the most you will pay.'
  if (budget === null) return 'Write an amount such as 25 or 0.40: digits, a point, at most 6 decimals.'
  if (budget < minimumUnits) return `The smallest price is ${formatUsdc(minimumUnits)} USDC.`
  return undefined
}

/** The same while it is being typed: a beginning such as `0.` is not wrong yet. */
export const typingError = (text: string, minimumUnits: bigint): string | undefined =>
  /^(0(\.0*)?)?$|^[1-9][0-9]*\.$/.test(text.trim()) ? undefined : budgetError(text, minimumUnits)

/** The verifier as typed: null for none, undefined for what is no address. */
export function parseVerifier(text: string): Address | null | undefined {
  const typed = text.trim()
  if (typed === '') return null
  return isAddress(typed, { strict: false }) ? getAddress(typed) : undefined
}

/** A verifier works with escrow only, so naming one asks for escrow. */
export const needsEscrow = (form: Pick<TaskForm, 'escrowOnly' | 'verifier'>) =>
  form.escrowOnly || form.verifier.trim() !== ''

/** What is wrong with a verifier, in a sentence. `arbiter` and `reader` cannot be one. */
export function verifierError(text: string, arbiter: string, reader?: string): string | undefined {
  const verifier = parseVerifier(text)
  if (verifier === null) return undefined
  if (verifier === undefined) return 'Write the address of an account: 0x and 40 digits.'
  if (isAddressEqual(verifier, zeroAddress)) return 'The zero address belongs to nobody.'
  if (reader && isAddressEqual(verifier, reader as Address)) return 'You release as the buyer; name somebody else.'
  if (isAddressEqual(verifier, arbiter as Address)) return 'The arbiter decides disputes; name somebody else.'
  return undefined
}

/** What must be changed before the task can be posted. */
export function validate(
  form: TaskForm,
  constants: Pick<Constants, 'minimum_price_units'>,
  arbiter: string,
  reader?: string,
): FormErrors {
  const errors: FormErrors = {
    title: form.title.trim().length < 3 ? 'Give it a title of at least 3 characters.' : undefined,
    description: form.description.trim() === '' ? 'Describe what should be done.' : undefined,
    capability: /^[a-z0-9_]{2,40}$/.test(form.capability)
      ? undefined
      : 'Lower-case letters, digits and _, such as data_processing.',
    budget: budgetError(form.budget, BigInt(constants.minimum_price_units)),
    files: filesError(form.files),
    verifier: verifierError(form.verifier, arbiter, reader),
    ...(form.instant ? {} : auctionErrors(form, parseUsdc(form.budget), BigInt(constants.minimum_price_units))),
  }
  return Object.fromEntries(Object.entries(errors).filter(([, text]) => text !== undefined))
}
