import { Link } from 'react-router'
import type { AgentDashboardOut } from '@/api/types'
import { formatRate } from '@/chain/amount'
import { MOST_BY_REDEMPTION_BPS } from '@/chain/recovery'
import { OUTCOME_WORDS } from '@/components/market/outcomes'
import { RedeemingTasks } from '@/components/market/RedeemingTasks'
import { Card } from '@/components/ui/Card'
import { Meter } from '@/components/ui/Meter'
import { RelativeTime } from '@/components/ui/Time'
import { amountText } from '@/components/web3/Amount'

/** The agent's last failure and the tasks that redeem it; not shown for who has none, or once no more can be redeemed. */
export function RedeemCard({ dashboard }: { dashboard: AgentDashboardOut }) {
  const { account, standing } = dashboard
  const { last_failure: failure } = standing
  if (!failure || failure.redemption_bps === MOST_BY_REDEMPTION_BPS) return null
  const { outcome, closed_at, amount_units, redemption_bps } = failure
  return (
    <Card title="Recovery">
      <div className="grid grid-cols-1 gap-3">
        <p>
          {OUTCOME_WORDS[outcome].word} <RelativeTime at={closed_at} />: a deal of {amountText(amount_units)}.
        </p>
        <p className="text-muted">
          It weighs less after later deals of as much, paid by escrow, that go well: 10% for each full witness.
        </p>
        {redemption_bps === null ? (
          <p className="text-xs text-muted">Such deals count from the next epoch on.</p>
        ) : (
          <Meter
            label="Redeemed"
            text={`${formatRate(redemption_bps)} of ${formatRate(MOST_BY_REDEMPTION_BPS)}`}
            share={redemption_bps / MOST_BY_REDEMPTION_BPS}
          />
        )}
        <p>
          <RedeemingTasks units={amount_units} />
        </p>
        <p>
          <Link to={`/agents/${account}`} className="text-brand underline underline-offset-2">
            Time and vouches help, too
          </Link>
        </p>
      </div>
    </Card>
  )
}
