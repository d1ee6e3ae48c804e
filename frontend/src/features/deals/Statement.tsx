import type { DisputeOut, EvidenceOut } from '@/api/types'
import { evidenceHash } from '@/chain/evidence'
import { Badge } from '@/components/ui/Badge'
import { CopyButton } from '@/components/ui/CopyButton'
import { Notice } from '@/components/ui/States'
import { RelativeTime } from '@/components/ui/Time'
import { shortHash } from '@/components/web3/TxLink'
import { FileRow } from './ResultFiles'

/** The hash of words and files as the page computes it; null when they have none. */
function hashOf(escrowId: string, said: EvidenceOut): string | null {
  try {
    return evidenceHash({ ...said, escrowId })
  } catch {
    return null
  }
}

interface StatementProps {
  escrowId: string
  dispute: DisputeOut
  said: EvidenceOut
}

/** What a side of a dispute says, with its files; the hash of both is made here. */
export function Statement({ escrowId, dispute, said }: StatementProps) {
  const hash = hashOf(escrowId, said)
  const right = hash === said.hash
  const onChain = right && hash === dispute.evidence_hash
  return (
    <article aria-label={`The ${said.role} says`} className="grid gap-2 border-t border-line pt-3">
      <header className="flex flex-wrap items-center justify-between gap-2">
        <span className="flex min-w-0 flex-wrap items-center gap-x-2">
          <b className="font-semibold">The {said.role} says</b>
          <span className="text-xs text-muted">
            <RelativeTime at={said.created_at} />
          </span>
        </span>
        {onChain ? (
          <Badge tone="ok">matches the hash on chain</Badge>
        ) : right ? (
          <Badge tone="brand">hash verified, kept off chain</Badge>
        ) : (
          <Badge tone="bad">hash differs</Badge>
        )}
      </header>
      {!right && <Notice tone="bad">These words or files are not the ones this hash was made of.</Notice>}
      <p className="break-words whitespace-pre-wrap">{said.claim}</p>
      {said.files.length > 0 && (
        <ul aria-label={`Files of the ${said.role}`}>
          {said.files.map((file) => (
            <FileRow key={`${file.sha256}-${file.name}`} file={file} checked={right} />
          ))}
        </ul>
      )}
      <p className="flex flex-wrap items-center gap-1 text-xs text-muted">
        Evidence hash
        <span className="font-mono" title={said.hash}>
          {shortHash(said.hash)}
        </span>
        <CopyButton value={said.hash} label={`Copy evidence hash of the ${said.role}`} />
      </p>
    </article>
  )
}
