import { CircleCheck } from 'lucide-react'
import type { ReactNode } from 'react'
import { Link } from 'react-router'
import { Badge } from '@/components/ui/Badge'
import { Card } from '@/components/ui/Card'
import { Empty } from '@/components/ui/States'
import { Countdown } from '@/components/ui/Time'
import { Amount } from '@/components/web3/Amount'
import { LiveBadge } from '@/components/web3/NetworkBadge'
import { placeOf, STEPS, type Waiting } from './lib/steps'

function Row({ one }: { one: Waiting }) {
  const { tone, word, late } = STEPS[one.step]
  return (
    <li className="flex flex-wrap items-center gap-x-4 gap-y-1 border-t border-line px-4 py-3 first:border-0">
      <div className="min-w-0 flex-1 basis-48">
        <Link to={placeOf(one)} className="block truncate font-medium hover:underline">
          {one.title}
        </Link>
        <span className="text-xs text-muted">
          {one.due === null ? (
            'no clock runs'
          ) : (
            <>
              <Countdown until={one.due} over="time is up" /> {late}
            </>
          )}
        </span>
      </div>
      <Badge tone={tone}>{word}</Badge>
      {one.units !== null && <Amount units={one.units} className="ml-auto" />}
    </li>
  )
}

function CollectRow({ units }: { units: string }) {
  return (
    <li className="flex flex-wrap items-center gap-x-4 gap-y-1 border-t border-line px-4 py-3 first:border-0">
      <div className="min-w-0 flex-1 basis-48">
        <Link to="/activity" className="block font-medium hover:underline">
          Money in the contracts
        </Link>
        <span className="text-xs text-muted">no clock runs</span>
      </div>
      <Badge tone="ok">Collect</Badge>
      <Amount units={units} className="ml-auto" />
    </li>
  )
}

interface WaitingCardProps {
  waiting: readonly Waiting[]
  /** What the contracts owe the reader. */
  collectable: string
  children: ReactNode
}

/** What waits for the reader, due first; money to collect, which runs no clock, last. */
export function WaitingCard({ waiting, collectable, children }: WaitingCardProps) {
  return (
    <Card title="Waiting" aside={<LiveBadge />} flush>
      {waiting.length === 0 && collectable === '0' ? (
        <Empty icon={CircleCheck} title="Nothing waits for you.">
          {children}
        </Empty>
      ) : (
        <ul aria-label="Waiting, due first">
          {waiting.map((one) => (
            <Row key={`${one.step}-${one.task_id}`} one={one} />
          ))}
          {collectable !== '0' && <CollectRow units={collectable} />}
        </ul>
      )}
    </Card>
  )
}
