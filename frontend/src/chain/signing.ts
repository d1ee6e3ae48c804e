import type { Hex } from 'viem'
import { create } from 'zustand'
import type { SigningRequest } from './typedData'

/** One line of the signing sheet. */
export interface SheetRow {
  label: string
  value: string
  kind?: 'amount' | 'address' | 'hash' | 'time' | 'text'
}

/** What the reader sees before the wallet opens, and what the wallet then signs. */
export interface SheetRequest {
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

interface Pending {
  sheet: SheetRequest
  resolve: (signature: Hex) => void
  reject: (error: Error) => void
}

export const useSheet = create<{ pending: Pending | null }>(() => ({ pending: null }))

/** Shows the sheet and waits for the wallet's signature. Rejects with `SheetClosed` when the reader closes it. */
export function askSignature(sheet: SheetRequest): Promise<Hex> {
  useSheet.getState().pending?.reject(new SheetClosed())
  return new Promise<Hex>((resolve, reject) => {
    useSheet.setState({ pending: { sheet, resolve, reject } })
  })
}
