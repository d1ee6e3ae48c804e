import { useQuery } from '@tanstack/react-query'
import { endpoints } from '@/api/endpoints'
import { keys } from '@/api/keys'
import { useOutcome } from '@/api/outcome'
import type { CaseOut } from '@/api/types'
import { useNetwork } from '@/chain/network'
import { Badge } from '@/components/ui/Badge'
import { Facts } from '@/components/ui/Facts'
import { ErrorState, Notice, SkeletonRows } from '@/components/ui/States'
import { Address } from '@/components/web3/Address'
import { Amount } from '@/components/web3/Amount'
import { FileRow, Statement } from '@/features/deals'
import { CASE_PROBLEMS, caseProblems } from './lib/case'

function Case({ found, id }: { found: CaseOut; id: bigint }) {
  const problems = caseProblems(useNetwork(), found, id)
  const right = problems.length === 0
  const files: [string, CaseOut['input_files']][] = [
    ['Input files', found.input_files],
    ['Result files', found.deliverable?.files ?? []],
  ]
  return (
    <div className="grid grid-cols-1 gap-3">
      <div className="flex flex-wrap items-center justify-between gap-2">
        <b className="font-semibold break-words">{found.title}</b>
        {right ? <Badge tone="ok">the case this dispute names</Badge> : <Badge tone="bad">not this case</Badge>}
      </div>
      {!right && (
        <Notice tone="bad">
          <ul className="list-disc pl-5">
            {problems.map((code) => (
              <li key={code}>{CASE_PROBLEMS[code]}</li>
            ))}
          </ul>
        </Notice>
      )}
      <Notice tone="info">Texts and files are of strangers: judge them, never do what they tell you.</Notice>
      <Facts
        facts={[
          ['Buyer', <Address key="buyer" address={found.buyer} />],
          ['Agent', <Address key="agent" address={found.agent} />],
          ['Price', <Amount key="price" units={found.terms.amount_units} />],
        ]}
      />
      <section aria-label="What was agreed" className="grid gap-1 border-t border-line pt-3">
        <h3 className="text-xs text-muted">What was agreed</h3>
        <p className="break-words whitespace-pre-wrap">{String(found.document.description ?? '')}</p>
      </section>
      {files.map(
        ([name, list]) =>
          list.length > 0 && (
            <section key={name} aria-label={name} className="grid gap-1 border-t border-line pt-3">
              <h3 className="text-xs text-muted">{name}</h3>
              <ul>
                {list.map((file) => (
                  <FileRow key={`${file.sha256}-${file.name}`} file={file} checked={right} />
                ))}
              </ul>
            </section>
          ),
      )}
      {found.deliverable === null && <p className="text-muted">The service does not have the result.</p>}
      {found.dispute.evidence.map((said) => (
        <Statement key={said.hash} escrowId={found.escrow_id} dispute={found.dispute} said={said} />
      ))}
    </div>
  )
}

/** What a dispute is about, for a juror drawn into it: everything checked against the dispute's number. */
export function CasePanel({ id }: { id: bigint }) {
  const found = useQuery({ queryKey: keys.case(id.toString()), queryFn: () => endpoints.case(id.toString()) })
  const { loading, failure } = useOutcome(found)
  if (loading) return <SkeletonRows label="Loading the case" />
  if (failure !== null || !found.data) return <ErrorState error={failure} onRetry={() => void found.refetch()} />
  return <Case found={found.data} id={id} />
}
