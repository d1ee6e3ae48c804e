import { useQuery } from '@tanstack/react-query'
import type { Hex } from 'viem'
import { useConfig } from 'wagmi'
import { readContract } from 'wagmi/actions'
import { reputationAbi } from '@/abi/generated'
import { keys } from '@/api/keys'
import type { AnchorOut, ReputationOut } from '@/api/types'
import { useNetwork } from '@/chain/network'
import { Badge, type Tone } from '@/components/ui/Badge'
import { Card } from '@/components/ui/Card'
import { CopyButton } from '@/components/ui/CopyButton'
import { Facts } from '@/components/ui/Facts'
import { Countdown, RelativeTime } from '@/components/ui/Time'
import { Command, ownNode } from '@/components/web3/Command'
import { ChainNote, shortHash } from '@/components/web3/TxLink'
import { PROOF_PROBLEMS, proofProblems } from './lib/proof'

/** The root a node says is anchored for an epoch; the zero hash where it was vetoed. */
function useChainRoot(epoch: number) {
  const config = useConfig()
  const { chain_id: chainId, contracts } = useNetwork()
  return useQuery({
    queryKey: keys.chain('root', epoch),
    queryFn: () =>
      readContract(config, {
        abi: reputationAbi,
        address: contracts.reputation as Hex,
        functionName: 'rootOf',
        args: [BigInt(epoch)],
        chainId,
      }),
    retry: 1,
  })
}

/** The command that computes the score again without the service. */
function VerifyCommand({ agent }: { agent: string }) {
  const network = useNetwork()
  return (
    <Command
      about="From chain data alone, with a node of your own and no word of ours:"
      command={`aicp reputation verify ${agent} ${ownNode(network)}`}
    />
  )
}

function rootSentence(root: Hex | undefined, failed: boolean): string {
  if (failed) return 'The node did not answer; only the root the service gave was checked.'
  if (root === undefined) return 'Asking a node for the root…'
  return 'The node has the same root.'
}

function pathSentence({ proof, epoch }: AnchorOut): string {
  if (proof.length === 0) return `This page has hashed this score, the only one of epoch ${epoch}: that is its root.`
  const hashes = proof.length === 1 ? 'one hash' : `${proof.length} hashes`
  return `This page has followed the proof, ${hashes}, from this score to the root of epoch ${epoch}.`
}

function Proven({ reputation, anchor }: { reputation: ReputationOut; anchor: AnchorOut }) {
  const root = useChainRoot(anchor.epoch)
  const problems = proofProblems(reputation, anchor, root.data)
  const badge: [Tone, string] =
    problems.length > 0 ? ['bad', 'proof fails'] : root.data ? ['ok', 'proven'] : ['info', 'proof holds']
  return (
    <Card title="Proof" aside={<Badge tone={badge[0]}>{badge[1]}</Badge>}>
      <div className="grid grid-cols-1 gap-3">
        {problems.length > 0 ? (
          <div role="alert">
            <ul className="list-disc pl-5 text-bad">
              {problems.map((code) => (
                <li key={code}>{PROOF_PROBLEMS[code]}</li>
              ))}
            </ul>
          </div>
        ) : (
          <p className="text-muted">
            {pathSentence(anchor)} {rootSentence(root.data, root.isError)}
          </p>
        )}
        <Facts
          facts={[
            [
              'Root',
              <span key="root" className="inline-flex items-center gap-1 font-mono text-xs" title={anchor.root}>
                {shortHash(anchor.root)}
                <CopyButton value={anchor.root} label="Copy root" />
              </span>,
            ],
            ['Epoch ended', <RelativeTime key="ended" at={anchor.ended_at} />],
            [
              'Counts',
              anchor.counts ? (
                'yes'
              ) : (
                <span key="from">
                  in <Countdown until={anchor.counts_from} over="a moment" />
                </span>
              ),
            ],
            ['Anchored in', <ChainNote key="chain" chain={anchor.chain} />],
          ]}
        />
        <VerifyCommand agent={reputation.agent} />
      </div>
    </Card>
  )
}

/** The proof of a score, checked here against the root of its epoch and the root against the chain. */
export function ProofCard({ reputation }: { reputation: ReputationOut }) {
  if (reputation.anchor) return <Proven reputation={reputation} anchor={reputation.anchor} />
  return (
    <Card title="Proof" aside={<Badge tone="neutral">nothing to prove</Badge>}>
      <p className="text-muted">
        A newcomer&apos;s score is in no epoch. Once its first deals are scored, the proof is checked here.
      </p>
    </Card>
  )
}
