import type { ReactNode } from 'react'
import { type Address as Account, isAddressEqual } from 'viem'
import type { TaskOut } from '@/api/types'
import { formatRate } from '@/chain/amount'
import { formatBytes } from '@/components/ui/bytes'
import { Card } from '@/components/ui/Card'
import { Facts } from '@/components/ui/Facts'
import { formatDuration, RelativeTime } from '@/components/ui/Time'
import { Address } from '@/components/web3/Address'
import { Amount } from '@/components/web3/Amount'

/** What everybody may know of a task, and its text for its parties. */
export function TaskFacts({ task, reader }: { task: TaskOut; reader: Account | undefined }) {
  const { buyer_record: record } = task
  const isReader = (account: string) => reader !== undefined && isAddressEqual(reader, account as Account)
  const facts: (readonly [string, ReactNode])[] = [
    ['Buyer', <Address key="buyer" address={task.buyer} you={isReader(task.buyer)} />],
    ...(record && record.decided > 0
      ? [
          [
            'Small results it rejected',
            `${record.rejected} of ${record.decided} (${formatRate(record.rejected_bps)})`,
          ] as const,
        ]
      : []),
    ['Capability', task.capability],
    ['Budget', <Amount key="budget" units={task.budget_units} />],
    ['Deliver within', formatDuration(task.deliver_within_seconds)],
    ['Complexity', `${task.complexity} of 10`],
    ...(task.verifier
      ? [['Verifier', <Address key="verifier" address={task.verifier} you={isReader(task.verifier)} />] as const]
      : []),
    ['Posted', <RelativeTime key="posted" at={task.created_at} />],
  ]
  return (
    <Card title="The task">
      <Facts facts={facts} />
      {task.input_summary.length > 0 && (
        <div className="mt-3 border-t border-line pt-3">
          <h3 className="text-xs text-muted">Input files</h3>
          <ul className="mt-1 grid gap-1">
            {task.input_summary.map((file) => (
              <li key={file.sha256} className="flex justify-between gap-3">
                <span className="min-w-0 truncate">{file.name}</span>
                <span className="text-xs text-muted">{formatBytes(file.size)}</span>
              </li>
            ))}
          </ul>
        </div>
      )}
      {task.description && (
        <p className="mt-3 border-t border-line pt-3 break-words whitespace-pre-wrap">{task.description}</p>
      )}
    </Card>
  )
}
