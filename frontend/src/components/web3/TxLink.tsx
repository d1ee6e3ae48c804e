import type { ChainRef, Finality } from '@/api/types'
import { useNetwork } from '@/chain/network'
import { Badge } from '../ui/Badge'
import { CopyButton } from '../ui/CopyButton'
import { Explained } from '../ui/Explained'

export const shortHash = (hash: string) => `${hash.slice(0, 8)}…${hash.slice(-4)}`

/** A transaction hash: a link where the network has an explorer, otherwise the hash to copy. */
export function TxLink({ hash }: { hash: string }) {
  const { explorer } = useNetwork()
  return (
    <span className="inline-flex items-center gap-1">
      {explorer ? (
        <a
          href={`${explorer}/tx/${hash}`}
          target="_blank"
          rel="noreferrer"
          className="font-mono text-xs text-brand underline underline-offset-2"
        >
          {shortHash(hash)}
        </a>
      ) : (
        <span className="font-mono text-xs" title={hash}>
          {shortHash(hash)}
        </span>
      )}
      <CopyButton value={hash} label="Copy transaction hash" />
    </span>
  )
}

const FINALITY = {
  seen: { tone: 'warn', word: 'seen', meaning: 'In the newest block; a reorganisation could still undo it.' },
  safe: { tone: 'info', word: 'safe', meaning: 'Very unlikely to be undone.' },
  final: { tone: 'ok', word: 'final', meaning: 'Can no longer be undone.' },
} as const

/** How sure a chain-backed statement is. */
export function FinalityBadge({ finality }: { finality: Finality }) {
  const { tone, word, meaning } = FINALITY[finality]
  return (
    <Explained text={meaning}>
      <Badge tone={tone}>{word}</Badge>
    </Explained>
  )
}

/** Where on the chain a statement comes from. */
export function ChainNote({ chain }: { chain: ChainRef }) {
  return (
    <span className="inline-flex flex-wrap items-center gap-x-2 gap-y-1 text-xs text-muted">
      <span>block {chain.block_number}</span>
      <TxLink hash={chain.tx_hash} />
      <FinalityBadge finality={chain.finality} />
    </span>
  )
}
