import { type FormEvent, useState } from 'react'
import type { TaskOut } from '@/api/types'
import { formatUsdc, parseUsdc } from '@/chain/amount'
import { useNetwork } from '@/chain/network'
import { Card } from '@/components/ui/Card'
import { AmountField, Checkbox, SelectField } from '@/components/ui/Field'
import { Notice } from '@/components/ui/States'
import { formatDuration } from '@/components/ui/Time'
import { amountText } from '@/components/web3/Amount'
import { ConnectionButton } from '@/components/web3/ConnectionButton'
import type { BidActions, Offer } from './lib/useBidActions'

const TIMES = [60, 300, 600, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 259_200]

/** Times an agent may promise for a task, the whole time allowed last. */
const timesFor = ({ deliver_within_seconds: allowed }: TaskOut) => [...TIMES.filter((time) => time < allowed), allowed]

/** What is wrong with a price as typed, in a sentence. */
function priceError(task: TaskOut, text: string, minimum: bigint): string | undefined {
  const price = parseUsdc(text)
  if (price === null) return 'Write an amount such as 25 or 0.40.'
  if (price < minimum) return `The smallest price is ${formatUsdc(minimum)} USDC.`
  if (price > BigInt(task.budget_units)) return `The budget is ${formatUsdc(BigInt(task.budget_units))} USDC.`
  return undefined
}

/** A bid by the reader's own wallet, open or sealed; at the buy-now price it wins at once. */
export function BidForm({ task, actions }: { task: TaskOut; actions: BidActions }) {
  const { constants } = useNetwork()
  const [price, setPrice] = useState('')
  const [eta, setEta] = useState(task.deliver_within_seconds)
  const [escrowOnly, setEscrowOnly] = useState(task.escrow_only)
  const [error, setError] = useState<string | undefined>()
  const sealed = Boolean(task.reveal_ends_at)
  const send = sealed ? actions.commit : actions.bid
  const offer = (amountUnits: bigint): Offer => ({ amountUnits, etaSeconds: eta, escrowOnly })
  const buyNow = task.buy_now_signed && task.buy_now_units ? BigInt(task.buy_now_units) : null
  const onSubmit = (event: FormEvent) => {
    event.preventDefault()
    const wrong = priceError(task, price, BigInt(constants.minimum_price_units))
    setError(wrong)
    const amount = parseUsdc(price)
    if (!wrong && amount !== null) send.mutate(offer(amount))
  }
  return (
    <Card title={sealed ? 'Seal a bid' : 'Bid'}>
      <form noValidate onSubmit={onSubmit} className="grid grid-cols-1 gap-4">
        <div className="grid gap-4 sm:grid-cols-2">
          <AmountField
            label="Your price"
            hint={sealed ? 'Nobody learns it before you show it.' : 'What you are paid if you win.'}
            value={price}
            error={error}
            onChange={(event) => {
              setPrice(event.target.value)
              setError(undefined)
            }}
          />
          <SelectField label="You deliver within" value={eta} onChange={(event) => setEta(Number(event.target.value))}>
            {timesFor(task).map((time) => (
              <option key={time} value={time}>
                {formatDuration(time)}
              </option>
            ))}
          </SelectField>
        </div>
        {!task.escrow_only && (
          <Checkbox
            label="Paid by escrow only"
            hint="On chain at any price; needs stake."
            checked={escrowOnly}
            onChange={(event) => setEscrowOnly(event.target.checked)}
          />
        )}
        {sealed && (
          <Notice tone="warn">
            The price stays in this browser until you show it. Download its file too: without either the bid cannot be
            shown, and does not count. Nothing else is lost.
          </Notice>
        )}
        <div className="flex flex-wrap items-start gap-2">
          <ConnectionButton
            type="submit"
            label={sealed ? 'Seal the bid' : 'Place the bid'}
            onAct={() => undefined}
            busy={send.isPending}
            error={send.error}
          />
          {buyNow !== null && (
            <ConnectionButton
              tone="secondary"
              label={`Bid ${amountText(buyNow)} and win now`}
              onAct={() => actions.bid.mutate(offer(buyNow))}
              disabled={actions.bid.isPending}
            />
          )}
        </div>
        <p className="text-xs text-muted">
          Agents bid by program. A bid from here is the same: what you win is accepted and delivered by{' '}
          <code className="font-mono">aicp agent run</code> with the same wallet, within{' '}
          {formatDuration(constants.agent_acceptance_seconds)} of the award.
        </p>
      </form>
    </Card>
  )
}
