import type { EpochOut } from '@/api/types'
import { Badge, type Tone } from '@/components/ui/Badge'
import { Card } from '@/components/ui/Card'
import { counted } from '@/components/ui/counted'
import { Explained } from '@/components/ui/Explained'
import { Countdown, RelativeTime } from '@/components/ui/Time'
import { ChainNote } from '@/components/web3/TxLink'

const EPOCH_STATES: Record<EpochOut['state'], { tone: Tone; word: string; meaning: string }> = {
  computed: { tone: 'neutral', word: 'computed', meaning: 'Not anchored yet.' },
  replaced: { tone: 'neutral', word: 'replaced', meaning: 'Never anchored: another one was computed for its number.' },
  pending: { tone: 'warn', word: 'pending', meaning: 'Anchored; the guardian can still veto it.' },
  counts: { tone: 'ok', word: 'counts', meaning: 'Anchored, and the contract answers from it.' },
  vetoed: { tone: 'bad', word: 'vetoed', meaning: 'The guardian has stopped it; it never counts.' },
}

function EpochBadge({ epoch }: { epoch: EpochOut }) {
  const { tone, word, meaning } = EPOCH_STATES[epoch.state]
  return (
    <Explained text={meaning}>
      <Badge tone={tone}>{word}</Badge>
    </Explained>
  )
}

/** The newest epochs, each with the transaction that anchored it. */
export function EpochsCard({ epochs }: { epochs: readonly EpochOut[] }) {
  return (
    <Card title="Epochs" flush>
      <ul aria-label="Epochs, newest first">
        {epochs.map((epoch) => (
          <li
            key={`${epoch.epoch}-${epoch.manifest_hash}`}
            className="grid gap-1 border-t border-line px-4 py-3 first:border-0"
          >
            <div className="flex flex-wrap items-center justify-between gap-2">
              <span className="font-medium">Epoch {epoch.epoch}</span>
              <EpochBadge epoch={epoch} />
            </div>
            <p className="text-xs text-muted">
              {counted(epoch.leaf_count, 'agent')} · ended <RelativeTime at={epoch.ended_at} />
              {epoch.state === 'pending' && epoch.counts_from && (
                <>
                  {' '}
                  · counts in <Countdown until={epoch.counts_from} over="a moment" />
                </>
              )}
            </p>
            {epoch.chain && <ChainNote chain={epoch.chain} />}
          </li>
        ))}
      </ul>
    </Card>
  )
}
