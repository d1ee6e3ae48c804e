import { TriangleAlert } from 'lucide-react'
import { useState } from 'react'
import { useSignTypedData } from 'wagmi'
import { serverNow } from '@/chain/clock'
import { type Pending, SheetClosed, type SheetRequest, type SheetRow, useSheet } from '@/chain/signing'
import { Button } from '../ui/Button'
import { Checks } from '../ui/Checks'
import { CopyButton } from '../ui/CopyButton'
import { cn } from '../ui/cn'
import { Dialog } from '../ui/Dialog'
import { ActionError } from '../ui/States'
import { Countdown } from '../ui/Time'
import { Address } from './Address'
import { Amount } from './Amount'
import { shortHash } from './TxLink'

const HALF_DAY_SECONDS = 43_200

/** A time of today by the clock alone, a later one with its date. */
function timeText(seconds: number) {
  const date = new Date(seconds * 1000)
  return seconds - serverNow() < HALF_DAY_SECONDS ? date.toLocaleTimeString() : date.toLocaleString()
}

function Value({ row }: { row: SheetRow }) {
  switch (row.kind) {
    case 'amount':
      return <Amount units={row.value} className="font-semibold" />
    case 'address':
      return <Address address={row.value} />
    case 'hash':
      return (
        <span className="inline-flex items-center gap-1 font-mono text-xs" title={row.value}>
          {shortHash(row.value)}
          <CopyButton value={row.value} label={`Copy ${row.label}`} />
        </span>
      )
    case 'time': {
      const seconds = Number(row.value)
      return (
        <span>
          {timeText(seconds)} (<Countdown until={seconds} over="passed" />)
        </span>
      )
    }
    case 'long':
      return <span className="break-words whitespace-pre-wrap">{row.value}</span>
    default:
      return <span>{row.value}</span>
  }
}

function SheetBody({ sheet, onSign, onClose }: { sheet: SheetRequest; onSign: () => void; onClose: () => void }) {
  return (
    <>
      <p className="text-muted">{sheet.intro}</p>
      <dl className="divide-y divide-line rounded-control border border-line px-3">
        {sheet.rows.map((row) => (
          <div
            key={row.label}
            className={cn(
              'py-2 first:text-base',
              row.kind === 'long' ? 'grid gap-0.5' : 'flex flex-wrap items-center justify-between gap-x-4',
            )}
          >
            <dt className="text-xs text-muted">{row.label}</dt>
            <dd className={cn('min-w-0', row.kind !== 'long' && 'text-right break-words')}>
              <Value row={row} />
            </dd>
          </div>
        ))}
      </dl>
      {sheet.checks.length > 0 && <Checks sentences={sheet.checks} small />}
      {sheet.problems.length > 0 && (
        <div role="alert" className="rounded-control border border-bad/40 bg-bad-soft p-3 text-sm">
          <p className="flex items-center gap-1.5 font-medium text-bad">
            <TriangleAlert aria-hidden className="size-4" />
            Do not sign: this is not what was agreed.
          </p>
          <ul className="mt-1 list-disc pl-5">
            {sheet.problems.map((problem) => (
              <li key={problem}>{problem}</li>
            ))}
          </ul>
        </div>
      )}
      <div>
        <h3 className="text-xs font-medium text-muted">What happens next</h3>
        <p>{sheet.next}</p>
      </div>
      <div className="flex flex-col-reverse gap-2 sm:flex-row sm:justify-end">
        <Button tone="secondary" onClick={onClose}>
          Cancel
        </Button>
        <Button onClick={onSign} disabled={sheet.problems.length > 0}>
          Sign in wallet
        </Button>
      </div>
    </>
  )
}

function OpenSheet({ pending }: { pending: Pending }) {
  const signing = useSignTypedData()
  const [error, setError] = useState<unknown>(null)
  const finish = (settle: () => void) => {
    settle()
    // the sheet may have been closed, and another one opened, while the wallet was asked
    if (useSheet.getState().pending === pending) useSheet.setState({ pending: null })
  }
  const sign = async () => {
    setError(null)
    try {
      // the wallet's types are written for literals; ours come from the shared document at run time
      const signature = await signing.mutateAsync(
        pending.sheet.request as unknown as Parameters<typeof signing.mutateAsync>[0],
      )
      finish(() => pending.resolve(signature))
    } catch (cause) {
      setError(cause)
    }
  }
  const close = () => finish(() => pending.reject(new SheetClosed()))
  return (
    <Dialog title={pending.sheet.title} onClose={close}>
      <div className="grid gap-4">
        {signing.isPending ? (
          <p role="status" className="py-6 text-center font-medium">
            Confirm in your wallet…
          </p>
        ) : (
          <SheetBody sheet={pending.sheet} onSign={() => void sign()} onClose={close} />
        )}
        <ActionError error={error} />
      </div>
    </Dialog>
  )
}

/** The signing sheet: what will be signed in words and human amounts, before the wallet shows raw numbers. Mounted once. */
export function SignSheetHost() {
  const { pending } = useSheet()
  return pending && <OpenSheet key={pending.id} pending={pending} />
}
