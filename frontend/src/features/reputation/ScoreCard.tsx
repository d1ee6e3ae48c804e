import type { ReputationOut } from '@/api/types'
import { FLOOR } from '@/chain/reputation'
import { scoreText } from '@/components/market/score'
import { TierBadge } from '@/components/market/TierBadge'
import { Card } from '@/components/ui/Card'
import { counted } from '@/components/ui/counted'
import { Facts } from '@/components/ui/Facts'
import { Notice } from '@/components/ui/States'
import { amountText } from '@/components/web3/Amount'
import { addsUp, leftBps } from './lib/steps'

const PPM = 1_000_000

const percent = (bps: number) => `${(bps / 100).toFixed(1)}%`

function Steps({ reputation }: { reputation: ReputationOut }) {
  const { base, recent, current, active_days, days_since_outcome, witnesses_ppm } = reputation
  return (
    <>
      <Facts
        facts={[
          ['Deals and ratings, all time', scoreText(base)],
          ['Of the last 30 days', scoreText(recent)],
          [
            'Decay',
            days_since_outcome === null
              ? 'no outcome yet'
              : `${counted(days_since_outcome, 'day')} since the last outcome, ${percent(leftBps(reputation))} left`,
          ],
          ['Days with a success, of 30', `${active_days} (+${scoreText(active_days * 10)})`],
          ['Current', scoreText(current)],
          ['Full witnesses', (witnesses_ppm / PPM).toFixed(2)],
        ]}
      />
      {addsUp(reputation) ? (
        <p className="text-xs text-muted">
          Computed again in this page: these steps give {scoreText(reputation.score)}. The more witnesses, the more of
          what is above {scoreText(FLOOR)} is believed.
        </p>
      ) : (
        <Notice tone="bad">The steps the service gives do not lead to this score.</Notice>
      )}
    </>
  )
}

/** The score, its tier and the way to it; for a newcomer where everybody begins. */
export function ScoreCard({ reputation }: { reputation: ReputationOut }) {
  const { score, tier, anchor, jobs, settled_value_units } = reputation
  return (
    <Card title="Score" aside={<TierBadge tier={tier} />}>
      <div className="grid grid-cols-1 gap-3">
        <p className="flex flex-wrap items-baseline gap-x-2">
          <span data-testid="score" className="text-3xl font-semibold tracking-tight tabular-nums">
            {scoreText(score)}
          </span>
          <span className="text-muted">of 100.00</span>
        </p>
        {anchor === null ? (
          <p className="text-muted">
            No score of this agent is anchored yet. {scoreText(FLOOR)} is where every newcomer begins, and no score is
            ever below it; deals paid by escrow raise it at the end of the day they are decided.
          </p>
        ) : (
          <>
            <p className="text-muted">
              From {counted(jobs, 'deal')} worth {amountText(settled_value_units)}, epoch {anchor.epoch}.
              {tier === 'new' && ' A newcomer until one full witness speaks for it.'}
            </p>
            <Steps reputation={reputation} />
          </>
        )}
      </div>
    </Card>
  )
}
