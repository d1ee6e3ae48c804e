import { LayoutDashboard } from 'lucide-react'
import type { ReactNode } from 'react'
import type { Address } from 'viem'
import { Skeleton } from '@/components/ui/States'
import { SignedIn } from '@/components/web3/SignedIn'

/** As high as the figures and the first card of a dashboard, so that nothing moves when they come. */
export function DashboardSkeleton() {
  return (
    <div role="status" className="grid gap-4">
      <span className="sr-only">Loading the dashboard</span>
      <div className="grid grid-cols-2 gap-3 lg:grid-cols-4">
        {['first', 'second', 'third', 'fourth'].map((key) => (
          <Skeleton key={key} className="h-26" />
        ))}
      </div>
      <Skeleton className="h-64" />
    </div>
  )
}

/** A dashboard, shown to its owner alone. */
export function Own({ children }: { children: (account: Address) => ReactNode }) {
  return (
    <SignedIn
      icon={LayoutDashboard}
      title="A dashboard is its owner's."
      about="Sign in with your wallet to see your money, your tasks and what waits for you."
      label="Show it"
      loading={<DashboardSkeleton />}
    >
      {children}
    </SignedIn>
  )
}
