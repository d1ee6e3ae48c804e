import type { Address } from 'viem'
import type { ReputationOut } from '@/api/types'
import { timeForgivenBps } from '@/chain/recovery'
import { Card } from '@/components/ui/Card'
import { Meter } from '@/components/ui/Meter'
import { RelativeTime, useServerNow } from '@/components/ui/Time'
import { amountText } from '@/components/web3/Amount'
import { lastFailure, useDecided } from './lib/onChain'
import { OUTCOME_WORDS } from './lib/words'

const MOST_BY_TIME = 5_000
const MOST_BY_REDEMPTION = 3_000
const MOST_BY_VOUCH = 2_000
const PPM = 1_000_000

const percent = (bps: number) => `${bps / 100} %`

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
        text={`${percent(redemption_bps)} of ${percent(MOST_BY_REDEMPTION)}`}
        share={redemption_bps / MOST_BY_REDEMPTION}
      />
      <Meter
        label="Vouches"
        text={`${percent(vouch_bps)} of ${percent(MOST_BY_VOUCH)}`}
        share={vouch_bps / MOST_BY_VOUCH}
      />
      <p className="text-xs text-muted">
        {(redemption_ppm / PPM).toFixed(2)} full witnesses with a later deal of {amountText(recovery.amount_units)} or
        more, and {vouchers} {vouchers === 1 ? 'agent that vouches' : 'agents that vouch'}
        {anchor && `, as of epoch ${anchor.epoch}`}: together the failure weighs {percent(recovery.forgiven_bps)} less.
      </p>
    </>
  )
}

/** How far the agent has got over its last failure; not shown for who has none. */
export function RecoveryCard({ agent, reputation }: { agent: Address; reputation: ReputationOut }) {
  const now = useServerNow()
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
          text={`${percent(bps)} of ${percent(MOST_BY_TIME)}`}
          share={bps / MOST_BY_TIME}
        />
        <Counted reputation={reputation} failedAt={failure.closedAt} />
        <p className="text-xs text-muted">
          A failure weighs less day by day for 30 days without another one. Each full witness whose later deal went well
          and was worth as much takes off another 10 % (at most 30 %), each agent that vouches 10 % (at most 20 %). A
          lost dispute never weighs less than half.
        </p>
      </div>
    </Card>
  )
}
