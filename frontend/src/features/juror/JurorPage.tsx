import { Scale } from 'lucide-react'
import { type Address, isAddressEqual, zeroAddress } from 'viem'
import { useOutcome } from '@/api/outcome'
import { Page } from '@/app/Page'
import { useNetwork } from '@/chain/network'
import { Card } from '@/components/ui/Card'
import { Empty, ErrorState, SkeletonRows } from '@/components/ui/States'
import { SignedIn } from '@/components/web3/SignedIn'
import { dutyOf, useSeats } from './lib/court'
import { SeatCard } from './SeatCard'
import { StakeCard } from './StakeCard'

function Seats({ juror }: { juror: Address }) {
  const seats = useSeats(juror)
  const { loading, failure } = useOutcome(seats)
  if (loading) return <SkeletonRows label="Reading your seats" />
  if (failure !== null) return <ErrorState error={failure} onRetry={() => void seats.refetch()} />
  if (!seats.data?.length)
    return (
      <Card title="Your seats">
        <Empty icon={Scale} title="You sit in no dispute.">
          Jurors are drawn by chance, the more stake the more often. Look in while you have a stake: whoever is silent
          loses it.
        </Empty>
      </Card>
    )
  const due = [...seats.data].sort((a, b) => Number(dutyOf(a) === null) - Number(dutyOf(b) === null))
  return due.map((seat) => <SeatCard key={`${seat.disputeId}-${seat.round}`} juror={juror} seat={seat} />)
}

/** The place of a juror: stake, the disputes they were drawn for, votes in two steps. */
export function JurorPage() {
  const { contracts } = useNetwork()
  if (isAddressEqual(contracts.arbiter as Address, zeroAddress))
    return (
      <Page title="Judge disputes">
        <Card>
          <Empty icon={Scale} title="This network has no arbiter.">
            Disputes cannot be raised here.
          </Empty>
        </Card>
      </Page>
    )
  return (
    <Page title="Judge disputes" intro="Stake, be drawn, read what both sides say, vote in two steps.">
      <SignedIn title="Sign in to see your stake and your seats.">
        {(reader) => (
          <div className="grid grid-cols-1 items-start gap-4 lg:grid-cols-3">
            <div className="grid min-w-0 grid-cols-1 gap-4 lg:col-span-2">
              <Seats juror={reader} />
            </div>
            <StakeCard juror={reader} />
          </div>
        )}
      </SignedIn>
    </Page>
  )
}
