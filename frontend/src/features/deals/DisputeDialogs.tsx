import type { DealOut } from '@/api/types'
import { useNetwork } from '@/chain/network'
import { Dialog } from '@/components/ui/Dialog'
import { Notice } from '@/components/ui/States'
import { formatDuration, useServerNow } from '@/components/ui/Time'
import { Amount, amountText } from '@/components/web3/Amount'
import { CaseForm, EndingText } from './CaseForm'
import { escrowOf, stakeAtRisk } from './lib/escrow'
import type { DisputeSteps } from './lib/useDisputeActions'
import { arbiterTime, endingsOf } from './lib/words'

interface DialogProps {
  deal: DealOut
  steps: DisputeSteps
  onClose: () => void
}

const dateOf = (seconds: number) =>
  new Date(seconds * 1000).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' })

function Cost({ label, units, children }: { label: string; units: string | null; children: string }) {
  return (
    <div className="rounded-control bg-sunken px-3 py-2.5">
      <p className="flex flex-wrap items-baseline justify-between gap-2">
        <span className="font-medium">{label}</span>
        {units !== null && <Amount units={units} className="text-base font-semibold" />}
      </p>
      <p className="text-xs text-muted">{children}</p>
    </div>
  )
}

function TooFewJurors({ deal }: { deal: DealOut }) {
  if (escrowOf(deal).arbiter_can_rule !== false) return null
  return (
    <Notice tone="warn">
      The arbiter has too few jurors now. If that stays so, there is no ruling, and each side gets half.
    </Notice>
  )
}

/** The buyer's dialog: what a dispute costs, the two ways it can go with their dates, what he says. */
export function DisputeDialog({ deal, steps, onClose }: DialogProps) {
  const { constants } = useNetwork()
  const now = useServerNow()
  const escrow = escrowOf(deal)
  const { challenge_period: period, dispute_timeout: timeout } = escrow.terms
  const fee = BigInt(escrow.dispute_fee_units ?? 0)
  const answerBy = now + period
  const { silent, ruled } = endingsOf(escrow, fee, answerBy, constants, 'buyer')
  return (
    <Dialog title="Dispute the result" onClose={onClose}>
      <CaseForm
        deal={deal}
        steps={steps}
        step="dispute"
        claimLabel="What is wrong with the result"
        claimHint="Say what was agreed and what is missing or wrong."
        readers={`The agent${deal.verifier ? ' and the verifier' : ''} can read words and files; the chain gets only their hash.`}
        sourceLegend="The bond comes from"
        submit="Sign and dispute"
        onDone={onClose}
      >
        <Cost label="Your bond" units={escrow.dispute_fee_units}>
          What the arbiter asks for now. You get it back if you win or the agent stays silent, half of it if nobody
          wins; the agent gets it if the agent wins.
        </Cost>
        <TooFewJurors deal={deal} />
        <section aria-label="How it can go" className="grid gap-3">
          <h3 className="text-sm font-semibold">How it can go</h3>
          <EndingText
            ending={{ ...silent, title: `1. ${silent.title}` }}
            at={`${formatDuration(period)} to answer, until ${dateOf(answerBy)}`}
          />
          <div className="grid gap-2">
            <p className="font-medium">
              2. The agent answers and pays the arbiter
              <span className="font-normal text-muted">
                {' '}
                · a ruling within {arbiterTime(escrow)} of the answer (or the arbiter's own longest time, if that is
                longer), {dateOf(answerBy + timeout)} for an answer at the last moment
              </span>
            </p>
            <div className="grid gap-2 border-l-2 border-line pl-3">
              {ruled.map((ending) => (
                <EndingText key={ending.title} ending={ending} />
              ))}
            </div>
          </div>
        </section>
      </CaseForm>
    </Dialog>
  )
}

/** The agent's dialog: what an answer costs, what silence costs, what he says. */
export function RespondDialog({ deal, steps, onClose }: DialogProps) {
  const { constants } = useNetwork()
  const escrow = escrowOf(deal)
  const { dispute } = escrow
  if (!dispute) return null
  const bond = BigInt(dispute.bond_units)
  const { silent, ruled } = endingsOf(escrow, bond, dispute.respond_by, constants, 'agent')
  return (
    <Dialog title="Answer the dispute" onClose={onClose}>
      <CaseForm
        deal={deal}
        steps={steps}
        step="respond"
        claimLabel="What you say to it (optional)"
        claimHint="Say why the result is what was agreed."
        readers={`The buyer${deal.verifier ? ' and the verifier' : ''} can read words and files.`}
        sourceLegend="The fee comes from"
        submit="Sign and answer"
        onDone={onClose}
      >
        <Cost label="The arbiter's fee" units={escrow.dispute_fee_units}>
          {`You pay it with the answer, and it is spent in any case. If you win, the buyer's bond of ${amountText(bond)} is yours. At stake for you: ${amountText(stakeAtRisk(escrow, constants).lost)}.`}
        </Cost>
        <TooFewJurors deal={deal} />
        <section aria-label="How it can go" className="grid gap-3">
          <h3 className="text-sm font-semibold">How it can go</h3>
          <EndingText ending={{ ...silent, title: `1. ${silent.title}` }} at={`until ${dateOf(dispute.respond_by)}`} />
          <p className="font-medium">
            2. You answer
            <span className="font-normal text-muted">
              {' '}
              · a ruling within {arbiterTime(escrow)} (or the arbiter's own longest time, if that is longer)
            </span>
          </p>
          <div className="grid gap-2 border-l-2 border-line pl-3">
            {ruled.map((ending) => (
              <EndingText key={ending.title} ending={ending} />
            ))}
          </div>
        </section>
      </CaseForm>
    </Dialog>
  )
}
