import { useState } from 'react'
import type { DealOut, DealRole, SplitOfferOut } from '@/api/types'
import { formatUsdc, parseUsdc } from '@/chain/amount'
import { serverNow } from '@/chain/clock'
import { Badge, type Tone } from '@/components/ui/Badge'
import { Card } from '@/components/ui/Card'
import { Dialog } from '@/components/ui/Dialog'
import { AmountField, SelectField } from '@/components/ui/Field'
import { Notice } from '@/components/ui/States'
import { Countdown, RelativeTime, useServerNow } from '@/components/ui/Time'
import { Amount, amountText } from '@/components/web3/Amount'
import { ConnectionButton } from '@/components/web3/ConnectionButton'
import { escrowOf, feeOn, leftUnits } from './lib/escrow'
import type { DisputeSteps } from './lib/useDisputeActions'

const VALID: [number, string][] = [
  [3600, '1 hour'],
  [86_400, '1 day'],
  [259_200, '3 days'],
]
/** The slider's steps over the whole of what is left. */
const STEPS = 100n

function Shares({ deal, toAgent }: { deal: DealOut; toAgent: bigint }) {
  const escrow = escrowOf(deal)
  const fee = feeOn(escrow, toAgent)
  return (
    <dl className="grid grid-cols-2 gap-3 rounded-control bg-sunken px-3 py-2.5">
      <div>
        <dt className="text-xs text-muted">Agent gets</dt>
        <dd className="font-semibold">
          <Amount units={toAgent - fee} />
        </dd>
        <dd className="text-xs text-muted">{amountText(fee)} fee taken from it</dd>
      </div>
      <div>
        <dt className="text-xs text-muted">Buyer gets back</dt>
        <dd className="font-semibold">
          <Amount units={leftUnits(escrow) - toAgent} />
        </dd>
        {escrow.dispute && (
          <dd className="text-xs text-muted">
            {escrow.dispute.dispute_id === null ? 'and the bond' : 'and half of the bond'}
          </dd>
        )}
      </div>
    </dl>
  )
}

interface SplitDialogProps {
  deal: DealOut
  role: DealRole
  steps: DisputeSteps
  onClose: () => void
}

/** Offers to divide what is left: one number, the rest follows. */
export function SplitDialog({ deal, role, steps, onClose }: SplitDialogProps) {
  const left = leftUnits(escrowOf(deal))
  const [text, setText] = useState(formatUsdc(left / 2n))
  const [seconds, setSeconds] = useState(86_400)
  const typed = parseUsdc(text)
  const toAgent = typed !== null && typed <= left ? typed : null
  const act = () => {
    if (toAgent === null) return
    steps.offerSplit.mutate(
      { toAgent, toBuyer: left - toAgent, validUntil: serverNow() + seconds },
      {
        onSuccess: (updated) => {
          if (updated) onClose()
        },
      },
    )
  }
  return (
    <Dialog title="Offer to divide" onClose={onClose}>
      <div className="grid gap-4">
        <p className="text-muted">
          {amountText(left)} are left in the escrow. The {role === 'buyer' ? 'agent' : 'buyer'} can accept your offer
          until it expires; a newer offer replaces it here, but its signature stays good until then.
        </p>
        <div className="grid gap-2">
          <input
            type="range"
            aria-label="Share of the agent"
            aria-valuetext={`${amountText(toAgent ?? 0n)} to the agent`}
            min={0}
            max={Number(STEPS)}
            value={toAgent === null || left === 0n ? 0 : Number((toAgent * STEPS) / left)}
            onChange={(event) => setText(formatUsdc((left * BigInt(event.target.value)) / STEPS))}
            className="h-10 w-full accent-brand"
          />
          <AmountField
            label="To the agent"
            value={text}
            error={toAgent === null ? `Write an amount from 0 to ${formatUsdc(left)}.` : null}
            onChange={(event) => setText(event.target.value)}
          />
        </div>
        {toAgent !== null && <Shares deal={deal} toAgent={toAgent} />}
        <SelectField
          label="Offer stands for"
          value={seconds}
          onChange={(event) => setSeconds(Number(event.target.value))}
        >
          {VALID.map(([value, name]) => (
            <option key={value} value={value}>
              {name}
            </option>
          ))}
        </SelectField>
        <ConnectionButton
          label="Sign the offer"
          className="w-full"
          disabled={toAgent === null}
          onAct={act}
          busy={steps.offerSplit.isPending}
          error={steps.offerSplit.error}
        />
      </div>
    </Dialog>
  )
}

const STATES: Record<SplitOfferOut['state'], { tone: Tone; word: string }> = {
  open: { tone: 'info', word: 'open' },
  replaced: { tone: 'neutral', word: 'replaced' },
  accepted: { tone: 'ok', word: 'accepted' },
  lapsed: { tone: 'neutral', word: 'lapsed' },
}

function OfferRow({
  offer,
  role,
  canAccept,
  steps,
}: {
  offer: SplitOfferOut
  role: DealRole
  canAccept: boolean
  steps: DisputeSteps
}) {
  const now = useServerNow()
  const mine = offer.role === role
  const open = offer.state === 'open' && offer.valid_until > now
  const accepting = steps.acceptSplit.variables?.id === offer.id
  return (
    <li className="grid gap-2 border-t border-line py-3 first:border-0 first:pt-0 last:pb-0">
      <div className="flex flex-wrap items-center justify-between gap-2">
        <span>
          <b className="font-medium">{mine ? 'Your offer' : `Offer of the ${offer.role}`}</b>{' '}
          <span className="text-xs text-muted">
            <RelativeTime at={offer.created_at} />
          </span>
        </span>
        <Badge tone={open || offer.state !== 'open' ? STATES[offer.state].tone : 'neutral'}>
          {open || offer.state !== 'open' ? STATES[offer.state].word : 'lapsed'}
        </Badge>
      </div>
      <p>
        <Amount units={offer.to_provider_units} /> to the agent, <Amount units={offer.to_client_units} /> to the buyer
      </p>
      {open && (
        <p className="text-xs text-muted">
          Expires in <Countdown until={offer.valid_until} over="a moment" />. If nobody accepts it, nothing changes.
        </p>
      )}
      {open && !mine && canAccept && (
        <div className="justify-self-start">
          <ConnectionButton
            label="Accept this offer"
            onAct={() => steps.acceptSplit.mutate(offer)}
            busy={steps.acceptSplit.isPending && accepting}
            error={accepting ? steps.acceptSplit.error : null}
          />
        </div>
      )}
    </li>
  )
}

/** The offers of both sides to divide what is left, newest first; nothing where there is none. */
export function SplitCard({ deal, role, steps }: { deal: DealOut; role: DealRole; steps: DisputeSteps }) {
  const { split_offers: offers } = escrowOf(deal)
  if (offers.length === 0) return null
  const canAccept = deal.actions.some((action) => action.name === 'split' && action.who === role && action.allowed)
  return (
    <Card title="Offers to divide">
      <ul aria-label="Offers to divide" data-testid="split-offers">
        {offers.map((offer) => (
          <OfferRow key={offer.id} offer={offer} role={role} canAccept={canAccept} steps={steps} />
        ))}
      </ul>
      {offers.some((offer) => offer.state === 'replaced' && offer.valid_until > serverNow()) && (
        <div className="mt-3">
          <Notice tone="info">
            A replaced offer is no longer taken here, but its signature is good until it expires.
          </Notice>
        </div>
      )}
    </Card>
  )
}
