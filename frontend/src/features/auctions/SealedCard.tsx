import { type ChangeEvent, useId, useState } from 'react'
import { type Address as Account, isAddressEqual } from 'viem'
import type { CommitOut, TaskOut } from '@/api/types'
import { bidInFile, type KeptBid, keepBid, keptBids } from '@/chain/sealedBids'
import { Badge } from '@/components/ui/Badge'
import { Button, buttonClass } from '@/components/ui/Button'
import { Card } from '@/components/ui/Card'
import { ActionError, Notice } from '@/components/ui/States'
import { Countdown, formatDuration } from '@/components/ui/Time'
import { toast } from '@/components/ui/toast'
import { Address } from '@/components/web3/Address'
import { amountText } from '@/components/web3/Amount'
import { ConnectionButton } from '@/components/web3/ConnectionButton'
import { LiveBadge } from '@/components/web3/NetworkBadge'
import { endOf, type Phase, showingEnd } from './lib/phase'
import type { BidActions } from './lib/useBidActions'
import { commitState } from './lib/words'

interface SealedCardProps {
  task: TaskOut
  commits: readonly CommitOut[]
  phase: Phase
  reader: Account | undefined
  actions: BidActions
}

function download(bid: KeptBid) {
  const url = URL.createObjectURL(new Blob([`${JSON.stringify(bid, null, 1)}\n`], { type: 'application/json' }))
  const link = document.createElement('a')
  link.href = url
  link.download = `sealed-bid-${bid.bid_hash.slice(2, 10)}.json`
  link.click()
  URL.revokeObjectURL(url)
}

/** Takes the bid of this commit from a file that was kept elsewhere. */
function LoadFile({ task, commit, actions, onLoaded }: Omit<OwnProps, 'phase'> & { onLoaded: () => void }) {
  const id = useId()
  const [error, setError] = useState<unknown>(null)
  const load = async (event: ChangeEvent<HTMLInputElement>) => {
    const file = event.target.files?.[0]
    event.target.value = ''
    if (!file) return
    try {
      const bid = bidInFile(actions.shelf, task.task_hash, await file.text())
      if (bid.bid_hash !== commit.bid_hash) throw new Error('This file holds another bid of yours.')
      keepBid(actions.shelf, bid)
      setError(null)
      onLoaded()
    } catch (cause) {
      setError(cause)
    }
  }
  return (
    <div className="grid gap-2">
      <div>
        <input
          id={id}
          type="file"
          accept="application/json,.json"
          className="peer sr-only"
          onChange={(event) => void load(event)}
        />
        <label
          htmlFor={id}
          className={buttonClass(
            'secondary',
            'cursor-pointer peer-focus-visible:outline-2 peer-focus-visible:outline-brand',
          )}
        >
          Load the bid&apos;s file
        </label>
      </div>
      <ActionError error={error} />
    </div>
  )
}

interface OwnProps {
  task: TaskOut
  commit: CommitOut
  phase: Phase
  actions: BidActions
}

/** A sealed bid of the reader's own: what it hides, and what to do with it now. */
function OwnBid({ task, commit, phase, actions }: OwnProps) {
  const [, setLoaded] = useState(0)
  const kept = keptBids(actions.shelf).find(({ bid_hash }) => bid_hash === commit.bid_hash)
  if (!commit.live || commit.revealed || phase === 'over') return null
  return (
    <div className="grid w-full gap-2 rounded-control bg-sunken px-3 py-2.5">
      {kept ? (
        <p>
          Your bid: <b>{amountText(kept.amount_units)}</b>, delivered within {formatDuration(kept.eta_seconds)}. It is
          kept in this browser.
        </p>
      ) : (
        <Notice tone="warn">
          This browser does not hold what this bid hides. Load its file, or show it from where it was sealed. If both
          are lost it cannot be shown and does not count;{' '}
          {phase === 'bidding' ? 'seal another one.' : 'nothing else is lost.'}
        </Notice>
      )}
      <div className="flex flex-wrap items-start gap-2">
        {kept && phase === 'showing' && (
          <ConnectionButton
            label="Show the bid"
            onAct={() => actions.reveal.mutate({ kept, commit })}
            busy={actions.reveal.isPending}
            error={actions.reveal.error}
          />
        )}
        {kept && (
          <Button tone="secondary" onClick={() => download(kept)}>
            Download its file
          </Button>
        )}
        {!kept && (
          <LoadFile
            task={task}
            commit={commit}
            actions={actions}
            onLoaded={() => {
              setLoaded((count) => count + 1)
              toast('ok', 'Bid loaded')
            }}
          />
        )}
        <ConnectionButton
          tone="danger"
          label="Withdraw"
          onAct={() => actions.withdraw.mutate(commit.bid_hash)}
          busy={actions.withdraw.isPending && actions.withdraw.variables === commit.bid_hash}
          error={actions.withdraw.variables === commit.bid_hash ? actions.withdraw.error : null}
        />
      </div>
    </div>
  )
}

function Clock({ task, commits, phase }: Pick<SealedCardProps, 'task' | 'commits' | 'phase'>) {
  const counting = commits.filter(({ live }) => live)
  const shown = counting.filter(({ revealed }) => revealed).length
  const until = showingEnd(task) ?? 0
  return (
    <p aria-live="off" className="border-b border-line px-4 py-3">
      {phase === 'bidding' && (
        <>
          <b>{counting.length}</b> sealed. The auction ends in <Countdown until={endOf(task)} over="a moment" />; then
          bids are shown for {formatDuration(until - endOf(task))}.
        </>
      )}
      {phase === 'showing' && (
        <>
          <b>
            {shown} of {counting.length}
          </b>{' '}
          shown. Time left to show: <Countdown until={until} over="over" />
        </>
      )}
      {(phase === 'deciding' || phase === 'over') && (
        <>
          <b>{commits.filter(({ revealed }) => revealed).length}</b> of {commits.length} were shown.
        </>
      )}
    </p>
  )
}

/** The sealed bids: how many there are, until when they are hidden and shown, and the reader's own. */
export function SealedCard({ task, commits, phase, reader, actions }: SealedCardProps) {
  const isOwn = (commit: CommitOut) => reader !== undefined && isAddressEqual(reader, commit.agent as Account)
  return (
    <Card title="Sealed bids" aside={<LiveBadge />} flush>
      <Clock task={task} commits={commits} phase={phase} />
      {commits.length === 0 ? (
        <p className="px-4 py-6 text-center text-muted">No sealed bids{phase === 'bidding' ? ' yet' : ''}.</p>
      ) : (
        <ul aria-label="Sealed bids">
          {commits.map((commit) => {
            const { tone, word } = commitState(commit, phase)
            return (
              <li
                key={commit.bid_hash}
                className="flex flex-wrap items-center justify-between gap-x-4 gap-y-2 border-t border-line px-4 py-3 first:border-0"
              >
                <span className="grid min-w-0 gap-0.5">
                  <Address address={commit.agent} name={commit.agent_name} you={isOwn(commit)} />
                  <span className="text-xs text-muted">receipt no. {commit.seq}</span>
                </span>
                <Badge tone={tone}>{word}</Badge>
                {isOwn(commit) && <OwnBid task={task} commit={commit} phase={phase} actions={actions} />}
              </li>
            )
          })}
        </ul>
      )}
    </Card>
  )
}
