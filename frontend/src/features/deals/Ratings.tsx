import { useState } from 'react'
import { zeroHash } from 'viem'
import type { DealOut, DealRole, RatingOut } from '@/api/types'
import { commentHash } from '@/chain/evidence'
import { Card } from '@/components/ui/Card'
import { Dialog } from '@/components/ui/Dialog'
import { TextArea, TextField } from '@/components/ui/Field'
import { Amount } from '@/components/web3/Amount'
import { ConnectionButton } from '@/components/web3/ConnectionButton'
import { ChainNote } from '@/components/web3/TxLink'
import { escrowOf } from './lib/escrow'
import type { DisputeSteps } from './lib/useDisputeActions'

const MAX_COMMENT = 1000

const parseScore = (text: string) => (/^(100|[1-9]?[0-9])$/.test(text.trim()) ? Number(text) : null)

/** Rates the other side: 0 to 100 and a comment, public and once. */
export function RatingDialog({ role, steps, onClose }: { role: DealRole; steps: DisputeSteps; onClose: () => void }) {
  const [text, setText] = useState('')
  const [comment, setComment] = useState('')
  const [tried, setTried] = useState(false)
  const score = parseScore(text)
  const rated = role === 'buyer' ? 'agent' : 'buyer'
  const act = () => {
    setTried(true)
    if (score === null) return
    steps.rate.mutate(
      { score, comment: comment.trim() },
      {
        onSuccess: (updated) => {
          if (updated) onClose()
        },
      },
    )
  }
  return (
    <Dialog title={`Rate the ${rated}`} onClose={onClose}>
      <div className="grid gap-4">
        <p className="text-muted">
          Public, on chain, once, and it cannot be changed. It counts by what was paid in this deal.
        </p>
        <div className="grid gap-2">
          <TextField
            label="Score, 0 to 100"
            inputMode="numeric"
            autoComplete="off"
            className="font-mono"
            value={text}
            error={(tried || text !== '') && score === null ? 'A whole number from 0 to 100.' : null}
            onChange={(event) => setText(event.target.value)}
          />
          <input
            type="range"
            aria-label="Score slider"
            aria-valuetext={score === null ? 'not chosen' : `${score} of 100`}
            min={0}
            max={100}
            value={score ?? 50}
            onChange={(event) => setText(event.target.value)}
            className="h-10 w-full accent-brand"
          />
        </div>
        <TextArea
          label="Comment (optional)"
          hint="The chain gets its hash, this service shows the words."
          maxLength={MAX_COMMENT}
          value={comment}
          onChange={(event) => setComment(event.target.value)}
        />
        <ConnectionButton
          label="Sign the rating"
          className="w-full"
          onAct={act}
          busy={steps.rate.isPending}
          error={steps.rate.error}
        />
      </div>
    </Dialog>
  )
}

function Comment({ rating }: { rating: RatingOut }) {
  if (rating.comment === null)
    return rating.comment_hash === zeroHash ? null : (
      <p className="text-xs text-muted">A comment we were not given; only its hash is on chain.</p>
    )
  if (commentHash(rating.comment) !== rating.comment_hash)
    return <p className="text-xs text-bad">The comment is not the one of the hash on chain.</p>
  return <p className="break-words whitespace-pre-wrap">{rating.comment}</p>
}

/** The ratings of a deal, as the chain has them. */
export function RatingsCard({ deal }: { deal: DealOut }) {
  const { ratings } = escrowOf(deal)
  if (ratings.length === 0) return null
  return (
    <Card title="Ratings">
      <ul aria-label="Ratings" className="grid gap-3">
        {ratings.map((rating) => (
          <li key={rating.rater} className="grid gap-1">
            <p className="flex flex-wrap items-baseline justify-between gap-2">
              <span className="font-medium">
                {rating.role === 'buyer' ? 'The buyer rated the agent' : 'The agent rated the buyer'}
              </span>
              <span className="font-mono text-base font-semibold">
                {rating.score}
                <span className="text-xs font-normal text-muted"> / 100</span>
              </span>
            </p>
            <div aria-hidden className="h-1.5 overflow-hidden rounded-full bg-sunken">
              <div className="h-full rounded-full bg-brand" style={{ width: `${rating.score}%` }} />
            </div>
            <Comment rating={rating} />
            <p className="flex flex-wrap items-center gap-x-2 text-xs text-muted">
              <span>
                weighs <Amount units={rating.settled_units} />
              </span>
              <ChainNote chain={rating.chain} />
            </p>
          </li>
        ))}
      </ul>
    </Card>
  )
}
