import { type ReactNode, useState } from 'react'
import { Link } from 'react-router'
import type { Action, DealOut, DealRole } from '@/api/types'
import { serverNow } from '@/chain/clock'
import { useNetwork } from '@/chain/network'
import { Button, buttonClass } from '@/components/ui/Button'
import { Card } from '@/components/ui/Card'
import { Dialog } from '@/components/ui/Dialog'
import { SelectField } from '@/components/ui/Field'
import { ActionError, Notice } from '@/components/ui/States'
import { Countdown, formatDuration } from '@/components/ui/Time'
import { amountText } from '@/components/web3/Amount'
import { ConnectionButton } from '@/components/web3/ConnectionButton'
import { AppealLead } from './AppealCard'
import { DisputeDialog, RespondDialog } from './DisputeDialogs'
import { escrowOf, openRelease } from './lib/escrow'
import { REJECT_REASONS } from './lib/reasons'
import type { useDealActions } from './lib/useDealActions'
import type { DisputeSteps } from './lib/useDisputeActions'
import { endFor } from './lib/words'
import { RatingDialog } from './Ratings'
import { SplitDialog } from './SplitCard'

type Steps = ReturnType<typeof useDealActions>

/** When an action must be taken: an order pays a bid, so it ends with the bid at the latest. */
function dueOf(action: Action, deal: DealOut): string | number | null {
  if (action.name !== 'order') return action.due ?? null
  const { valid_until: bidEnds } = deal.bid
  return action.due && Date.parse(action.due) < bidEnds * 1000 ? action.due : bidEnds
}

function Clock({ action, deal }: { action: Action; deal: DealOut }) {
  const { constants } = useNetwork()
  const due = dueOf(action, deal)
  if (due === null && !action.if_nobody_acts) return null
  return (
    <p aria-live="off" className="text-xs text-muted">
      {due !== null && (
        <>
          Time left: <Countdown until={due} over="over" />
          {action.name === 'verdict' &&
            ` (until ${formatDuration(constants.evaluation_seconds)} after the delivery deadline)`}
          .{' '}
        </>
      )}
      {action.if_nobody_acts && <>If nobody acts: {action.if_nobody_acts}</>}
    </p>
  )
}

function RejectDialog({ steps, onClose }: { steps: Steps; onClose: () => void }) {
  const [reason, setReason] = useState<number>(REJECT_REASONS[0].code)
  return (
    <Dialog title="Reject the result" onClose={onClose}>
      <div className="grid gap-4">
        <p className="text-muted">
          You pay nothing for this task. The rejection is signed and shows on your profile; agents may refuse buyers who
          reject often.
        </p>
        <SelectField label="Reason" value={reason} onChange={(event) => setReason(Number(event.target.value))}>
          {REJECT_REASONS.map(({ code, text }) => (
            <option key={code} value={code}>
              {text}
            </option>
          ))}
        </SelectField>
        <ActionError error={steps.verdict.error} />
        <Button
          tone="danger"
          busy={steps.verdict.isPending}
          onClick={() => steps.verdict.mutate({ accepted: false, reason }, { onSuccess: onClose })}
        >
          Confirm rejection
        </Button>
      </div>
    </Dialog>
  )
}

function VerdictButtons({ steps }: { steps: Steps }) {
  const [rejecting, setRejecting] = useState(false)
  return (
    <div className="grid gap-2">
      <div className="flex flex-wrap gap-2">
        <Button
          busy={steps.verdict.isPending && !rejecting}
          onClick={() => steps.verdict.mutate({ accepted: true, reason: 0 })}
        >
          Accept result
        </Button>
        <Button tone="danger" disabled={steps.verdict.isPending} onClick={() => setRejecting(true)}>
          Reject result
        </Button>
      </div>
      {!rejecting && <ActionError error={steps.verdict.error} />}
      {rejecting && <RejectDialog steps={steps} onClose={() => setRejecting(false)} />}
    </div>
  )
}

/** A button that opens a dialog of its own. */
function DialogButton({
  label,
  tone,
  dialog,
}: {
  label: string
  tone: 'primary' | 'secondary' | 'danger'
  dialog: (onClose: () => void) => ReactNode
}) {
  const [open, setOpen] = useState(false)
  return (
    <>
      <Button tone={tone} onClick={() => setOpen(true)}>
        {label}
      </Button>
      {open && dialog(() => setOpen(false))}
    </>
  )
}

interface DisagreementProps {
  action: Action
  deal: DealOut
  role: DealRole
  steps: DisputeSteps
}

/** The buttons of what parties do when they disagree, divide, release together or rate. */
function DisagreementButton({ action, deal, role, steps }: DisagreementProps) {
  switch (action.name) {
    case 'dispute':
      return (
        <DialogButton
          label="Dispute result"
          tone="danger"
          dialog={(onClose) => <DisputeDialog deal={deal} steps={steps} onClose={onClose} />}
        />
      )
    case 'respond':
      return (
        <DialogButton
          label="Answer the dispute"
          tone="primary"
          dialog={(onClose) => <RespondDialog deal={deal} steps={steps} onClose={onClose} />}
        />
      )
    case 'split':
      return (
        <DialogButton
          label="Offer to divide"
          tone="secondary"
          dialog={(onClose) => <SplitDialog deal={deal} role={role} steps={steps} onClose={onClose} />}
        />
      )
    case 'rate':
      return (
        <DialogButton
          label={`Rate the ${role === 'buyer' ? 'agent' : 'buyer'}`}
          tone="secondary"
          dialog={(onClose) => <RatingDialog role={role} steps={steps} onClose={onClose} />}
        />
      )
    case 'sign_release':
      if (openRelease(escrowOf(deal), serverNow())?.role === role)
        return <p className="text-xs text-muted">You have signed; the release waits for another role.</p>
      return (
        <ConnectionButton
          label="Sign release"
          onAct={() => steps.signRelease.mutate()}
          busy={steps.signRelease.isPending}
          error={steps.signRelease.error}
        />
      )
    case 'refund':
      return (
        <ConnectionButton
          tone="danger"
          label="Give the money back"
          onAct={() => steps.refund.mutate()}
          busy={steps.refund.isPending}
          error={steps.refund.error}
        />
      )
    default:
      return null
  }
}

const isPaid = (deal: DealOut) => deal.escrow !== null && deal.escrow.chain_status !== 'none'

function ActionButton({ action, deal, steps }: { action: Action; deal: DealOut; steps: Steps }) {
  const amount = amountText(deal.price_units)
  switch (action.name) {
    case 'pay':
      return (
        <ConnectionButton
          label={`Pay ${amount}`}
          onAct={() => steps.pay.mutate()}
          busy={steps.pay.isPending}
          error={steps.pay.error}
        />
      )
    case 'release':
      return (
        <ConnectionButton
          tone={deal.deliverable ? 'primary' : 'secondary'}
          label="Release payment"
          onAct={() => steps.release.mutate()}
          busy={steps.release.isPending}
          error={steps.release.error}
        />
      )
    case 'cancel':
      if (!isPaid(deal))
        return (
          <ConnectionButton
            tone="danger"
            label="Cancel deal"
            onAct={() => steps.callOff.mutate()}
            busy={steps.callOff.isPending}
            error={steps.callOff.error}
          />
        )
      return (
        <ConnectionButton
          tone="danger"
          label="Cancel escrow"
          onAct={() => steps.cancel.mutate()}
          busy={steps.cancel.isPending}
          error={steps.cancel.error}
        />
      )
    case 'order':
      return (
        <div className="grid gap-2">
          <div className="flex flex-wrap gap-2">
            {action.allowed && (
              <Button busy={steps.order.isPending} onClick={() => steps.order.mutate()}>
                Pay {amount} from pool
              </Button>
            )}
            <Link to="/pool" className={buttonClass('secondary')}>
              Go to your pool
            </Link>
          </div>
          <ActionError error={steps.order.error} />
        </div>
      )
    case 'verdict':
      return <VerdictButtons steps={steps} />
    case 'collect':
      return (
        <Link to="/activity" className={buttonClass('secondary')}>
          Collect under Activity
        </Link>
      )
    default:
      return null
  }
}

/** Steps of one party alone; once signed they are not asked for again until the chain has answered. */
const ALONE = new Set<Action['name']>(['release', 'dispute', 'respond', 'refund', 'cancel'])
const isUnderway = ({ name }: Action, { last_intent: last }: DealOut) =>
  ALONE.has(name) && last?.kind === name && (last.state === 'queued' || last.state === 'sent')

/** What the other side could do at any time; no news. */
const BY_THE_WAY = new Set<Action['name']>([
  'refund',
  'return',
  'start',
  'dispute',
  'split',
  'sign_release',
  'rate',
  'collect',
])

interface ActionPanelProps {
  deal: DealOut
  role: DealRole
  steps: Steps
  disputes: DisputeSteps
}

/** Who may do what now, why not, how long, and what happens if nobody does. */
export function ActionPanel({ deal, role, steps, disputes }: ActionPanelProps) {
  const mine = deal.actions.filter((action) => action.who === role)
  const theirs = deal.actions.filter((action) => action.who !== role && action.allowed && !BY_THE_WAY.has(action.name))
  // an order that waits for a pool is shown with the way to the pool
  const now = mine.filter((action) => action.allowed || action.name === 'order')
  // while an appeal can be paid for, it is that which happens now, not the arbiter's deciding
  const appeal = deal.escrow?.dispute?.appeal ?? null
  const waits = mine.filter((action) => action.name === 'wait' && appeal === null)
  const end = endFor(deal.escrow?.outcome ?? null, role)
  const later = mine.filter((action) => !action.allowed && action.name !== 'order' && action.name !== 'wait')
  return (
    <Card title="What happens now">
      {/* the sentences alone are read out: buttons and the clocks, which change every second, are off */}
      <div aria-live="polite" className="grid gap-4">
        <AppealLead deal={deal} role={role} />
        {deal.ended_reason && (
          <Notice tone={(end?.good ?? (deal.current && deal.state === 'completed')) ? 'ok' : 'warn'}>
            <span className="inline-block first-letter:uppercase">{end?.sentence ?? `${deal.ended_reason}.`}</span>
          </Notice>
        )}
        {!deal.current && (
          <p>
            Its agent was paid nothing, and the task went on without it.{' '}
            <Link to={`/tasks/${deal.task_id}`} className="text-brand underline underline-offset-2">
              See where the task stands
            </Link>
          </p>
        )}
        {now.map((action) => (
          <div
            key={action.name}
            data-testid={`action-${action.name}`}
            className="grid justify-items-start gap-2 border-t border-line pt-4 first-of-type:border-0 first-of-type:pt-0"
          >
            <p>{action.reason}</p>
            {isUnderway(action, deal) ? (
              <p className="text-muted">Signed; it is on its way to the chain.</p>
            ) : (
              <div aria-live="off">
                <ActionButton action={action} deal={deal} steps={steps} />
                <DisagreementButton action={action} deal={deal} role={role} steps={disputes} />
              </div>
            )}
            <Clock action={action} deal={deal} />
          </div>
        ))}
        {waits.map((action) => (
          <p key={action.reason}>{action.reason}</p>
        ))}
        {theirs.map((action) => (
          <Notice key={`${action.who}-${action.name}`} tone="info">
            {action.reason}
            <Clock action={action} deal={deal} />
          </Notice>
        ))}
        {deal.current && appeal === null && now.length + waits.length + theirs.length === 0 && (
          <p className="text-muted">{deal.live ? 'Nothing is asked of you at the moment.' : 'This deal has ended.'}</p>
        )}
        {later.length > 0 && (
          <details aria-live="off" className="text-sm">
            <summary className="text-muted">Not possible now</summary>
            <ul className="mt-1 grid gap-1 pl-4">
              {later.map((action) => (
                <li key={action.name} className="list-disc">
                  <b className="font-medium">{action.name}</b>: {action.reason}
                </li>
              ))}
            </ul>
          </details>
        )}
      </div>
    </Card>
  )
}
