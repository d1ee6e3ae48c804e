import { LockKeyhole, type LucideIcon } from 'lucide-react'
import type { ReactNode } from 'react'
import type { Address } from 'viem'
import { useOutcome } from '@/api/outcome'
import { useSession } from '@/api/session'
import { useReader } from '@/chain/useAccess'
import { Card } from '../ui/Card'
import { Empty, ErrorState, SkeletonRows } from '../ui/States'
import { ConnectionButton } from './ConnectionButton'

interface Props {
  icon?: LucideIcon
  /** What is said to a reader who is not signed in, above the button. */
  title: string
  about?: string
  /** The button's name once the reader is signed in. */
  label?: string
  /** What is shown while nobody knows who reads. */
  loading?: ReactNode
  children: (reader: Address) => ReactNode
}

/** What is shown to the account that is signed in; others are asked to sign in. */
export function SignedIn({ icon = LockKeyhole, title, about, label = 'Signed in', loading, children }: Props) {
  const session = useSession()
  const reader = useReader()
  const outcome = useOutcome(session)
  if (outcome.loading) return loading ?? <SkeletonRows label="Loading" />
  if (outcome.failure !== null) return <ErrorState error={outcome.failure} onRetry={() => void session.refetch()} />
  if (reader) return children(reader)
  return (
    <Card>
      <Empty icon={icon} title={title}>
        <div className="mt-2 grid gap-3">
          {about && <p>{about}</p>}
          <ConnectionButton label={label} onAct={() => void session.refetch()} />
        </div>
      </Empty>
    </Card>
  )
}
