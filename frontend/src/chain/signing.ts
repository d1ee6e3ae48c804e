import type { Hex } from 'viem'
import { create } from 'zustand'
import type { SigningRequest } from './typedData'

/** One line of the signing sheet. */
export interface SheetRow {
  label: string
  value: string
  /** `long` takes the whole width and keeps its line breaks. */
  kind?: 'amount' | 'address' | 'hash' | 'time' | 'text' | 'long'
}

/** What the reader sees before the wallet opens, and what the wallet then signs. */
export interface SheetRequest {
  /** What the sheet is about, where it may become pointless while it is open. */
  subject?: string
  title: string
  intro: string
  rows: SheetRow[]
  /** Things the page has recomputed and found right. */
  checks: string[]
  /** Things that do not match what was agreed: signing is then not offered. */
  problems: string[]
  next: string
  request: SigningRequest
}

/** The reader closed the sheet without signing. */
export class SheetClosed extends Error {
  constructor() {
    super('You closed the sheet; nothing was signed.')
    this.name = 'SheetClosed'
  }
}

export interface Pending {
  /** Tells one sheet from the next. */
  id: number
  sheet: SheetRequest
  resolve: (signature: Hex) => void
  reject: (error: Error) => void
}

let counter = 0

export const useSheet = create<{ pending: Pending | null }>(() => ({ pending: null }))

/** Shows the sheet and waits for the wallet's signature. Rejects with `SheetClosed` when the reader closes it. */
export function askSignature(sheet: SheetRequest): Promise<Hex> {
  useSheet.getState().pending?.reject(new SheetClosed())
  return new Promise<Hex>((resolve, reject) => {
    counter += 1
    useSheet.setState({ pending: { id: counter, sheet, resolve, reject } })
  })
}

/** Closes an open sheet that has become pointless, as if the reader had closed it; returns whether there was one. */
export function closeSheet(pointless: (subject: string) => boolean): boolean {
  const { pending } = useSheet.getState()
  if (!pending?.sheet.subject || !pointless(pending.sheet.subject)) return false
  useSheet.setState({ pending: null })
  pending.reject(new SheetClosed())
  return true
}
