import { Link } from 'react-router'
import type { DealOut, DealRole, DisputeOut } from '@/api/types'
import { groupUsdc } from '@/chain/amount'
import { payAppealCalls } from '@/chain/appeal'
import { useNetwork } from '@/chain/network'
import { type Call, useTx } from '@/chain/useTx'
import { buttonClass } from '@/components/ui/Button'
import { cn } from '@/components/ui/cn'
import { Facts } from '@/components/ui/Facts'
import { Countdown, useServerNow } from '@/components/ui/Time'
import { toast } from '@/components/ui/toast'
import { Amount, amountText } from '@/components/web3/Amount'
import { ConnectionButton } from '@/components/web3/ConnectionButton'
import { type AppealSide, appealNow, isPayable, ownSide } from './lib/appealNow'
import { payAppeal } from './lib/disputeSteps'
import { escrowOf, isPayingAppeal } from './lib/escrow'
import { useStep } from './lib/useStep'
import { appealPaid, appealRule, ROUNDS, VERDICTS, votesOf } from './lib/words'

/** Each panel that has sat or sits, with its votes. */
export function Rounds({ dispute }: { dispute: DisputeOut }) {
  if (dispute.rounds.every(({ drawn }) => drawn === 0)) return null
  return (
    <section aria-label="Rounds" className="grid gap-2 border-t border-line pt-3">
      {dispute.rounds.map((round) => {
        const appeal = appealPaid(round)
        return (
          <Facts
            key={round.number}
            facts={[
              [`The ${ROUNDS[round.number]}`, votesOf(round)],
              ...(appeal === null ? [] : [['Appeal against it', appeal] as const]),
            ]}
          />
        )
      })}
      {dispute.verdict !== null && dispute.ruling === null && (
        <p className="font-medium">{VERDICTS[dispute.verdict]}</p>
      )}
    </section>
  )
}

/** Sends calls one after the other, each simulated first; the second is asked for when the first is mined. */
function useCalls() {
  const tx = useTx()
  const send = async (calls: () => Call[], done: string) => {
    for (const call of calls()) await tx.mutateAsync(call)
    toast('ok', done)
  }
  return { send, busy: tx.isPending }
}

/** Pays what is missing for the reader's side: because it is asked for, or ahead, in case the other side appeals. */
function PayButton({ deal, side, ahead = false }: { deal: DealOut; side: AppealSide; ahead?: boolean }) {
  const network = useNetwork()
  const { send, busy } = useCalls()
  const signed = useStep<void>(deal, 'Payment into the appeal signed', () => payAppeal(network, deal, side.role))
  const missing = BigInt(side.missing_units)
  const pay = () =>
    send(
      () => payAppealCalls(network, escrowOf(deal), side.role, missing),
      `${amountText(missing)} paid for the appeal`,
    )
  if (isPayingAppeal(deal)) return <p role="status">A payment into the appeal is signed and on its way to the chain.</p>
  return (
    <div className="grid justify-items-start gap-2">
      <ConnectionButton
        tone={ahead ? 'secondary' : 'primary'}
        label={`Pay ${amountText(missing)} ${ahead ? 'ahead' : 'for your side'}`}
        onAct={() => signed.mutate()}
        busy={signed.isPending}
        error={signed.error}
      />
      <p className="text-xs text-muted">
        One signature, no gas: we send it. If your side wins, you get back what the panel did not cost; if it loses, it
        is spent.
      </p>
      <details>
        <summary className="inline-block cursor-pointer py-1 text-xs text-muted underline underline-offset-2">
          Send it from your wallet instead
        </summary>
        <div className="mt-1 grid justify-items-start gap-2">
          <ConnectionButton tone="secondary" label={`Send ${amountText(missing)} myself`} onAct={pay} busy={busy} />
          <p className="text-xs text-muted">
            Two transactions of your wallet, which needs gas: the arbiter is allowed exactly this amount, then takes it.
          </p>
        </div>
      </details>
    </div>
  )
}

/** What an open appeal asks of the reader, until when, and the button, for the top of the page; null without one. */
export function AppealLead({ deal, role }: { deal: DealOut; role: DealRole }) {
  const now = useServerNow()
  const appeal = deal.escrow?.dispute?.appeal
  if (!appeal) return null
  const { sentence, until, pays, urgent } = appealNow(appeal, role, now)
  const own = ownSide(appeal, role)
  return (
    <div data-testid="action-appeal" className="grid justify-items-start gap-2">
      <p className={cn('font-medium', urgent && 'text-bad')}>{sentence}</p>
      {until > now && (
        <p aria-live="off">
          Time left: <Countdown until={until} over="over" />
          <span className="text-xs text-muted"> (until {new Date(until * 1000).toLocaleString()})</span>
        </p>
      )}
      {pays && own && (
        <div aria-live="off">
          <PayButton deal={deal} side={own} />
        </div>
      )}
    </div>
  )
}

/** The appeal that can be paid for: its rule, who has paid how much, and the way to pay ahead of being asked. */
export function AppealCard({ deal, dispute, role }: { deal: DealOut; dispute: DisputeOut; role: DealRole }) {
  const now = useServerNow()
  const { appeal } = dispute
  if (!appeal) return null
  const until = appeal.challenged ? appeal.ends_at : appeal.challenge_by
  const own = ownSide(appeal, role)
  const { pays } = appealNow(appeal, role, now)
  return (
    <section aria-label="Appeal" className="grid gap-3 rounded-control bg-sunken px-3 py-2.5">
      <p className="flex flex-wrap items-baseline justify-between gap-2">
        <b className="font-semibold">Appeal against {`the ${ROUNDS[appeal.round]}`}</b>
        <span className="text-xs text-muted">
          time left: <Countdown until={until} over="over" />
        </span>
      </p>
      <p>{appealRule(appeal)}</p>
      <Facts
        facts={[
          ['Next panel', <Amount key="cost" units={appeal.cost_units} />],
          ...appeal.sides.map(
            (side) =>
              [
                `Paid for the ${side.role}`,
                `${groupUsdc(BigInt(side.paid_units))} of ${amountText(side.required_units)}`,
              ] as const,
          ),
        ]}
      />
      {own && own.missing_units === '0' && <p className="text-muted">Your side is paid for.</p>}
      {own && !pays && isPayable(own, now) && <PayButton deal={deal} side={own} ahead />}
    </section>
  )
}

/** What lies at the arbiter for the reader: contributions that came back, and excess. */
export function ArbiterCredit({ dispute, role }: { dispute: DisputeOut; role: DealRole }) {
  const held = { buyer: dispute.buyer_credit_units, agent: dispute.agent_credit_units, verifier: '0' }[role]
  if (held === '0') return null
  return (
    <div className="grid justify-items-start gap-2 border-t border-line pt-3">
      <p>{amountText(held)} lie at the arbiter for you.</p>
      <Link to="/activity" className={buttonClass('secondary')}>
        Collect under Activity
      </Link>
    </div>
  )
}
