import type { Constants } from '@/api/types'
import { formatUsdc, parseUsdc } from '@/chain/amount'
import type { Urgency } from './pricing'

export const MAX_FILES = 20
export const MAX_FILE_BYTES = 25 * 1024 * 1024

/** What the form holds; texts as typed. */
export interface TaskForm {
  title: string
  description: string
  capability: string
  budget: string
  complexity: number
  urgency: Urgency
  escrowOnly: boolean
  auctionSeconds: number
  deliverWithinSeconds: number
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
  auctionSeconds: 300,
  deliverWithinSeconds: 3600,
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

function filesError(files: readonly File[]): string | undefined {
  if (files.length > MAX_FILES) return `At most ${MAX_FILES} files.`
  const large = files.find((file) => file.size > MAX_FILE_BYTES)
  if (large) return `${large.name} is larger than 25 MiB.`
  if (new Set(files.map((file) => file.name)).size < files.length) return 'Two files have the same name.'
  return undefined
}

/** What must be changed before the task can be posted. */
export function validate(form: TaskForm, constants: Pick<Constants, 'minimum_price_units'>): FormErrors {
  const errors: FormErrors = {
    title: form.title.trim().length < 3 ? 'Give it a title of at least 3 characters.' : undefined,
    description: form.description.trim() === '' ? 'Describe what should be done.' : undefined,
    capability: /^[a-z0-9_]{2,40}$/.test(form.capability)
      ? undefined
      : 'Lower-case letters, digits and _, such as data_processing.',
    budget: budgetError(form.budget, BigInt(constants.minimum_price_units)),
    files: filesError(form.files),
  }
  return Object.fromEntries(Object.entries(errors).filter(([, text]) => text !== undefined))
}
