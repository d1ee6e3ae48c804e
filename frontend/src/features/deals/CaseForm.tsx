import { useQuery } from '@tanstack/react-query'
import { type ReactNode, useState } from 'react'
import { endpoints } from '@/api/endpoints'
import { keys } from '@/api/keys'
import type { BalancesOut, DealOut } from '@/api/types'
import { heldIn } from '@/chain/ledgers'
import { TextArea } from '@/components/ui/Field'
import { FilePicker } from '@/components/ui/FilePicker'
import { filesError } from '@/components/ui/files'
import { Notice } from '@/components/ui/States'
import { amountText } from '@/components/web3/Amount'
import { ConnectionButton } from '@/components/web3/ConnectionButton'
import type { BondSource } from './lib/disputeSheets'
import { escrowOf } from './lib/escrow'
import type { DisputeSteps } from './lib/useDisputeActions'
import type { Ending } from './lib/words'

const MAX_CLAIM = 4000

function Source({ balances, fee, price, from, legend, onChange }: SourceProps) {
  const choices: [BondSource, string, string | undefined][] = [
    ['balance', 'Your balance in the escrow contract', balances && heldIn(balances, 'escrow')],
    ['wallet', 'Your wallet, by a second signature', balances?.usdc_units],
  ]
  return (
    <fieldset className="grid gap-1.5">
      <legend className="mb-1.5 text-sm font-medium">{legend}</legend>
      {choices.map(([value, name, held]) => {
        const short = held !== undefined && BigInt(held) < fee
        // the contract takes no more than the price from a balance: that amount alone both sides have signed
        const above = value === 'balance' && fee > price
        return (
          <label
            key={value}
            className="flex min-h-10 items-center gap-2.5 rounded-control border border-line px-3 py-2"
          >
            <input
              type="radio"
              name="bond-source"
              value={value}
              checked={from === value}
              disabled={short || above}
              onChange={() => onChange(value)}
              className="size-4 shrink-0 accent-brand"
            />
            <span className="min-w-0">
              {name}
              {held !== undefined && (
                <span className="block text-xs text-muted">
                  {amountText(held)} there
                  {short ? ', too little' : above && ', but the fee is above the price'}
                </span>
              )}
            </span>
          </label>
        )
      })}
    </fieldset>
  )
}

interface SourceProps {
  balances: BalancesOut | undefined
  fee: bigint
  price: bigint
  from: BondSource
  legend: string
  onChange: (from: BondSource) => void
}

/** One way it can end: when, and what everybody then has. */
export function EndingText({ ending, at }: { ending: Ending; at?: ReactNode }) {
  return (
    <div className="grid gap-0.5">
      <p className="font-medium">
        {ending.title}
        {at && <span className="font-normal text-muted"> · {at}</span>}
      </p>
      <ul className="grid gap-0.5 pl-4 text-xs text-muted">
        {ending.lines.map((line) => (
          <li key={line} className="list-disc">
            {line}
          </li>
        ))}
      </ul>
    </div>
  )
}

interface CaseFormProps {
  deal: DealOut
  steps: DisputeSteps
  step: 'dispute' | 'respond'
  claimLabel: string
  claimHint: string
  /** Who else will read words and files. */
  readers: string
  sourceLegend: string
  submit: string
  onDone: () => void
  children: ReactNode
}

/** Words, files and the way to pay the arbiter: what both sides of a dispute fill in. */
export function CaseForm({
  deal,
  steps,
  step,
  claimLabel,
  claimHint,
  readers,
  sourceLegend,
  submit,
  onDone,
  children,
}: CaseFormProps) {
  const [claim, setClaim] = useState('')
  const [files, setFiles] = useState<File[]>([])
  const [chosen, setChosen] = useState<BondSource | null>(null)
  const [missing, setMissing] = useState(false)
  const mutation = steps[step]
  const { dispute_fee_units: fee } = escrowOf(deal)
  const balances = useQuery({
    queryKey: keys.balances(steps.account),
    queryFn: () => endpoints.balances(steps.account),
  })
  const price = BigInt(deal.price_units)
  const covered =
    fee !== null && balances.data && BigInt(fee) <= price && BigInt(heldIn(balances.data, 'escrow')) >= BigInt(fee)
  const from = chosen ?? (covered ? 'balance' : 'wallet')
  const wrongFiles = filesError(files)
  const needsClaim = step === 'dispute' || files.length > 0
  const noClaim = needsClaim && claim.trim() === ''
  const act = () => {
    setMissing(noClaim)
    if (noClaim || wrongFiles || fee === null) return
    mutation.mutate(
      { claim: claim.trim(), files, from, shownFee: fee },
      {
        onSuccess: (updated) => {
          if (updated) onDone()
        },
      },
    )
  }
  return (
    <div className="grid gap-4">
      {children}
      <TextArea
        label={claimLabel}
        hint={claimHint}
        maxLength={MAX_CLAIM}
        value={claim}
        error={missing && noClaim ? 'Say what it is about.' : null}
        onChange={(event) => setClaim(event.target.value)}
      />
      <FilePicker label="Evidence files" hint={readers} files={files} error={wrongFiles} onChange={setFiles} />
      {fee === null ? (
        <Notice tone="warn">
          The arbiter's fee is not known at the moment, as no chain node answers. Try again in a minute.
        </Notice>
      ) : (
        <Source
          balances={balances.data}
          fee={BigInt(fee)}
          price={price}
          from={from}
          legend={sourceLegend}
          onChange={setChosen}
        />
      )}
      <ConnectionButton
        label={submit}
        className="w-full"
        disabled={fee === null}
        onAct={act}
        busy={mutation.isPending}
        error={mutation.error}
      />
    </div>
  )
}
