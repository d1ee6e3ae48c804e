import type { DealOut, DealRole } from '@/api/types'
import { Badge } from '@/components/ui/Badge'
import { Card } from '@/components/ui/Card'
import { Countdown, useServerNow } from '@/components/ui/Time'
import { Address } from '@/components/web3/Address'
import { amountText } from '@/components/web3/Amount'
import { escrowOf, openRelease } from './lib/escrow'

const ROLES: DealRole[] = ['buyer', 'agent', 'verifier']

/** Who can release together, and who has signed: shown where the terms name a verifier. */
export function QuorumCard({ deal, role }: { deal: DealOut; role: DealRole }) {
  const now = useServerNow()
  const escrow = escrowOf(deal)
  if (escrow.verifier === null || escrow.quorum === 0) return null
  const accounts: Record<DealRole, string> = { buyer: deal.buyer, agent: deal.agent, verifier: escrow.verifier }
  const latest = openRelease(escrow, now)
  const shown = escrow.release_signatures.filter((one) =>
    latest === undefined
      ? one.cumulative_released_units === escrow.released_units
      : one.cumulative_released_units === latest.cumulative_released_units && one.valid_until === latest.valid_until,
  )
  const signed = new Set(shown.map((one) => one.role))
  return (
    <Card title="Release by signatures" aside={<span className="text-xs text-muted">{escrow.quorum} of 3</span>}>
      <div data-testid="quorum" className="grid grid-cols-1 gap-3">
        <ul aria-label="Who has signed the release" className="grid gap-2">
          {ROLES.map((one) => (
            <li key={one} className="flex flex-wrap items-center justify-between gap-x-3">
              <span className="min-w-0">
                <span className="block text-xs text-muted capitalize">{one}</span>
                <Address address={accounts[one]} name={one === 'agent' ? deal.agent_name : null} you={one === role} />
              </span>
              <Badge tone={signed.has(one) ? 'ok' : 'neutral'}>{signed.has(one) ? 'signed' : 'not signed'}</Badge>
            </li>
          ))}
        </ul>
        {latest && (
          <p className="text-xs text-muted">
            Release up to {amountText(latest.cumulative_released_units)}; the signatures are good for{' '}
            <Countdown until={latest.valid_until} over="no longer" />.
          </p>
        )}
        <p className="text-xs text-muted">
          The buyer alone can release at any time. Agent and verifier together can too, without the buyer; the agent
          alone never can. If they do not, the clocks of the deal decide.
        </p>
      </div>
    </Card>
  )
}
