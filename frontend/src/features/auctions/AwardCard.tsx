import { useMutation, useQuery } from '@tanstack/react-query'
import { endpoints } from '@/api/endpoints'
import { keys } from '@/api/keys'
import { useOutcome } from '@/api/outcome'
import type { AwardOut, AwardRecordOut, BidOut, CommitOut, TaskOut } from '@/api/types'
import { AwardMismatch, recordOf, verifyAuction } from '@/chain/auction'
import { type AwardRecord, type Exclusion, hundredths, type OfferFields, termsOf } from '@/chain/awarding'
import { useNetwork } from '@/chain/network'
import { scoreText } from '@/components/market/score'
import { Badge } from '@/components/ui/Badge'
import { Button } from '@/components/ui/Button'
import { Card } from '@/components/ui/Card'
import { Checks } from '@/components/ui/Checks'
import { ActionError, ErrorState, SkeletonRows } from '@/components/ui/States'
import { formatDuration } from '@/components/ui/Time'
import { Address, shortAddress } from '@/components/web3/Address'
import { amountText } from '@/components/web3/Amount'
import { Command, ownNode } from '@/components/web3/Command'
import { DECIDED_BY, EXCLUSIONS, TERMS } from './lib/words'

const seconds = (unix: number) => new Date(unix * 1000).toLocaleString()

/** What a term of the rule looked at. */
const inputOf = (offer: OfferFields): Record<(typeof TERMS)[number][0], string> => ({
  price: amountText(offer.amount_units),
  reputation: scoreText(offer.reputation),
  time: formatDuration(offer.eta_seconds),
  specialty: scoreText(offer.specialty),
})

interface ScoredProps {
  record: AwardRecord
  offer: OfferFields
  points: string
  name: string | null
  won: boolean
}

function Scored({ record, offer, points, name, won }: ScoredProps) {
  const terms = termsOf(offer, record)
  const inputs = inputOf(offer)
  return (
    <li className="grid gap-2 border-t border-line px-4 py-3 first:border-0">
      <div className="flex flex-wrap items-center justify-between gap-x-4 gap-y-1">
        <Address address={offer.agent} name={name} />
        <span className="flex items-center gap-2">
          {won && <Badge tone="ok">won</Badge>}
          <b className="font-mono">{scoreText(hundredths(BigInt(points), record))}</b>
          <span className="text-xs text-muted">points</span>
        </span>
      </div>
      <dl className="grid grid-cols-2 gap-x-4 gap-y-1 sm:grid-cols-4">
        {TERMS.map(([term, word]) => (
          <div key={term}>
            <dt className="text-xs text-muted">{word}</dt>
            <dd className="tabular-nums">
              {inputs[term]} <span className="text-xs text-muted">+{scoreText(hundredths(terms[term], record))}</span>
            </dd>
          </div>
        ))}
      </dl>
    </li>
  )
}

/** How each bid scored by the rule, and why some did not count. */
function Scores({ published, bids }: { published: AwardRecordOut; bids: readonly BidOut[] }) {
  const record = recordOf(published)
  const offers = new Map(record.bids.map((offer) => [offer.bid_hash, offer]))
  const names = new Map(bids.map((bid) => [bid.bid_hash, bid.agent_name]))
  return (
    <>
      <ol aria-label="Bids by points" className="border-t border-line">
        {record.ranking.map(([hash = '', points = '0']) => {
          const offer = offers.get(hash)
          return (
            offer && (
              <Scored
                key={hash}
                record={record}
                offer={offer}
                points={points}
                name={names.get(hash) ?? null}
                won={hash === record.winner}
              />
            )
          )
        })}
      </ol>
      <div className="grid gap-1 border-t border-line px-4 py-3 text-xs text-muted">
        {record.excluded.map(([hash = '', reason = '']) => (
          <p key={hash}>
            Not counted: {names.get(hash) ?? shortAddress(offers.get(hash)?.agent ?? hash)},{' '}
            {EXCLUSIONS[reason as Exclusion]}.
          </p>
        ))}
        <p>
          Decided {seconds(record.decided_at)} by the scores of{' '}
          {record.epoch === '0' ? 'nobody: there was no epoch yet, everybody had 20.00' : `epoch ${record.epoch}`}.
        </p>
      </div>
    </>
  )
}

interface AwardCardProps {
  task: TaskOut
  bids: readonly BidOut[]
  commits: readonly CommitOut[]
}

/** Reads all that is public about the award anew, and computes it again. */
function useRecompute(task: TaskOut) {
  const network = useNetwork()
  return useMutation({
    mutationFn: async () => {
      const awards = await endpoints.awards(task.id)
      const decided = awards.at(-1)?.decided_by
      const [bids, commits, record, order] = await Promise.all([
        endpoints.bids(task.id),
        task.reveal_ends_at ? endpoints.commits(task.id) : [],
        decided === 'rule' ? endpoints.awardRecord(task.id) : null,
        decided === 'order' ? endpoints.taskOrder(task.id) : null,
      ])
      return verifyAuction(network, { task, bids, commits, awards, record, order })
    },
  })
}

function Recompute({ task }: { task: TaskOut }) {
  const network = useNetwork()
  const again = useRecompute(task)
  const differs = again.error instanceof AwardMismatch ? again.error.message : null
  return (
    <div className="grid gap-3 border-t border-line p-4">
      <div className="flex flex-wrap items-center justify-between gap-2">
        <p className="min-w-0 text-muted">This page can compute the award again from the signatures alone.</p>
        <Button tone="secondary" busy={again.isPending} onClick={() => again.mutate()}>
          Recompute
        </Button>
      </div>
      <div aria-live="polite">
        {again.data && <Checks sentences={again.data} />}
        {differs !== null && (
          <div role="alert" className="rounded-control border border-bad/40 bg-bad-soft px-3 py-2">
            <p className="font-medium text-bad">The award does not follow from what was signed.</p>
            <p className="text-xs">{differs}</p>
          </div>
        )}
        {differs === null && <ActionError error={again.error} />}
      </div>
      <Command
        about="The same without this page, with the scores compared with the chain:"
        command={`aicp award verify ${task.id} ${ownNode(network)}`}
      />
    </div>
  )
}

function Decision({ award, bids }: { award: AwardOut; bids: readonly BidOut[] }) {
  const winner = bids.find(({ bid_hash }) => bid_hash === award.bid_hash)
  return (
    <div className="grid gap-1 p-4">
      <p className="font-medium">{DECIDED_BY[award.decided_by]}</p>
      {winner && (
        <p className="flex flex-wrap items-center gap-x-2">
          <Address address={winner.agent} name={winner.agent_name} />
          <span>for {amountText(winner.amount_units)}</span>
        </p>
      )}
    </div>
  )
}

/** How the task was awarded: who chose, how every bid scored, and the way to compute it again. */
export function AwardCard({ task, bids, commits }: AwardCardProps) {
  const awards = useQuery({ queryKey: keys.awards(task.id), queryFn: () => endpoints.awards(task.id) })
  const newest = awards.data?.at(-1)
  const byRule = newest?.decided_by === 'rule'
  const record = useQuery({
    queryKey: [...keys.awardRecord(task.id), newest?.bid_hash],
    queryFn: () => endpoints.awardRecord(task.id),
    enabled: byRule,
  })
  const { loading, failure } = useOutcome(awards)
  const scores = useOutcome(record)
  if (awards.data && !newest) return null
  const earlier = (awards.data?.length ?? 1) - 1
  return (
    <Card title="The award" flush>
      {loading && <SkeletonRows label="Loading the award" rows={3} />}
      {failure !== null && <ErrorState error={failure} onRetry={() => void awards.refetch()} />}
      {newest && <Decision award={newest} bids={bids} />}
      {earlier > 0 && (
        <p className="px-4 pb-4 text-muted">
          {earlier === 1 ? 'An earlier award ended' : `${earlier} earlier awards ended`} with nothing paid; it was the
          next {task.instant ? "agent's" : "bid's"} turn.
        </p>
      )}
      {byRule && scores.loading && <SkeletonRows label="Loading the scores" rows={3} />}
      {byRule && scores.failure !== null && <ErrorState error={scores.failure} onRetry={() => void record.refetch()} />}
      {record.data && <Scores published={record.data} bids={bids} />}
      {newest && (bids.length > 0 || commits.length > 0) && <Recompute task={task} />}
    </Card>
  )
}
