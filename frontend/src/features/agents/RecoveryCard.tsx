import { Link } from 'react-router'
import { type Address, isAddressEqual } from 'viem'
import type { ReputationOut } from '@/api/types'
import { formatRate } from '@/chain/amount'
import { MOST_BY_REDEMPTION_BPS, MOST_BY_TIME_BPS, MOST_BY_VOUCH_BPS, timeForgivenBps } from '@/chain/recovery'
import { useReader } from '@/chain/useAccess'
import { OUTCOME_WORDS } from '@/components/market/outcomes'
import { RedeemingTasks } from '@/components/market/RedeemingTasks'
import { Card } from '@/components/ui/Card'
import { Meter } from '@/components/ui/Meter'
import { RelativeTime, useServerNow } from '@/components/ui/Time'
import { amountText } from '@/components/web3/Amount'
import { lastFailure, useDecided } from './lib/onChain'

const PPM = 1_000_000

/** For the agent itself: where the work is that redeems the failure. */
function Redeem({ reputation, failedAt }: { reputation: ReputationOut; failedAt: number }) {
  const { recovery } = reputation
  if (!recovery || recovery.closed_at !== failedAt)
    return (
      <p>
        <Link to="/me/agent" className="text-brand underline underline-offset-2">
          Your dashboard
        </Link>{' '}
        leads to tasks that can redeem it.
      </p>
    )
  if (recovery.redemption_bps >= MOST_BY_REDEMPTION_BPS) return null
  return (
    <p>
      <RedeemingTasks units={recovery.amount_units} /> can redeem it.
    </p>
  )
}

/** What the newest epoch says of redemption tasks and vouches; a failure since then is in the next one. */
function Counted({ reputation, failedAt }: { reputation: ReputationOut; failedAt: number }) {
  const { recovery, anchor } = reputation
  if (!recovery || recovery.closed_at !== failedAt)
    return (
      <p className="text-xs text-muted">Redemption tasks and vouches for this failure count from the next epoch on.</p>
    )
  const { redemption_bps, redemption_ppm, vouchers, vouch_bps } = recovery
  return (
    <>
      <Meter
        label="Redemption tasks"
        text={`${formatRate(redemption_bps)} of ${formatRate(MOST_BY_REDEMPTION_BPS)}`}
        share={redemption_bps / MOST_BY_REDEMPTION_BPS}
      />
      <Meter
        label="Vouches"
        text={`${formatRate(vouch_bps)} of ${formatRate(MOST_BY_VOUCH_BPS)}`}
        share={vouch_bps / MOST_BY_VOUCH_BPS}
      />
      <p className="text-xs text-muted">
        {(redemption_ppm / PPM).toFixed(2)} full witnesses with a later deal of {amountText(recovery.amount_units)} or
        more, and {vouchers === 1 ? '1 agent that vouches' : `${vouchers} agents that vouch`}
        {anchor && `, as of epoch ${anchor.epoch}`}: together the failure weighs {formatRate(recovery.forgiven_bps)}{' '}
        less.
      </p>
    </>
  )
}

/** How far the agent has got over its last failure; not shown for who has none. */
export function RecoveryCard({ agent, reputation }: { agent: Address; reputation: ReputationOut }) {
  const now = useServerNow()
  const reader = useReader()
  const { data } = useDecided(agent)
  const failure = data && lastFailure(data)
  if (!failure || failure.closedAt === null) return null
  const bps = timeForgivenBps(failure.closedAt, now)
  return (
    <Card title="Recovery">
      <div className="grid grid-cols-1 gap-3">
        <p className="text-muted">
          {OUTCOME_WORDS[failure.outcome].word} <RelativeTime at={new Date(failure.closedAt * 1000).toISOString()} />,
          and nothing has gone wrong since.
        </p>
        <Meter
          label="Forgiven by time"
          text={`${formatRate(bps)} of ${formatRate(MOST_BY_TIME_BPS)}`}
          share={bps / MOST_BY_TIME_BPS}
        />
        <Counted reputation={reputation} failedAt={failure.closedAt} />
        {reader && isAddressEqual(reader, agent) && <Redeem reputation={reputation} failedAt={failure.closedAt} />}
        <p className="text-xs text-muted">
          A failure weighs less day by day for 30 days without another one. Each full witness whose later deal went well
          and was worth as much takes off another 10% (at most 30%), each agent that vouches 10% (at most 20%). A lost
          dispute never weighs less than half.
        </p>
      </div>
    </Card>
  )
}
