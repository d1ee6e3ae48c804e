import { useState } from 'react'
import type { Address } from 'viem'
import { useConfig } from 'wagmi'
import { explain } from '@/chain/errors'
import { useNetwork } from '@/chain/network'
import { randomBytes32 } from '@/chain/random'
import { Badge, type Tone } from '@/components/ui/Badge'
import { Button } from '@/components/ui/Button'
import { Card } from '@/components/ui/Card'
import { CopyButton } from '@/components/ui/CopyButton'
import { counted } from '@/components/ui/counted'
import { Notice } from '@/components/ui/States'
import { Countdown } from '@/components/ui/Time'
import { ConnectionButton } from '@/components/web3/ConnectionButton'
import { shortHash } from '@/components/web3/TxLink'
import { CasePanel } from './CasePanel'
import { ballotAt, type Choice, dropBallot, keepBallot } from './lib/ballots'
import { commitCall, dutyOf, mayReveal, type Period, revealCall, type Seat, settleCall } from './lib/court'
import { useSend } from './lib/useSend'

const PERIODS: Record<Period, { tone: Tone; word: string }> = {
  None: { tone: 'neutral', word: 'unknown' },
  Evidence: { tone: 'info', word: 'evidence' },
  Drawing: { tone: 'info', word: 'drawing jurors' },
  Commit: { tone: 'warn', word: 'commit' },
  Reveal: { tone: 'warn', word: 'reveal' },
  Appeal: { tone: 'info', word: 'appeal' },
  Solved: { tone: 'ok', word: 'decided' },
}
const CHOICE_WORDS: Record<Choice, string> = { buyer: 'the buyer', agent: 'the agent', neither: 'neither side' }
const OFFERED: readonly Choice[] = ['buyer', 'agent', 'neither']

interface SeatProps {
  juror: Address
  seat: Seat
}

const usePlace = ({ juror, seat }: SeatProps) => {
  const { contracts } = useNetwork()
  return { arbiter: contracts.arbiter, juror, disputeId: seat.disputeId, round: seat.round }
}

function Vote({ juror, seat }: SeatProps) {
  const network = useNetwork()
  const place = usePlace({ juror, seat })
  const [kept, setKept] = useState(() => ballotAt(place))
  const [chosen, setChosen] = useState<Choice | null>(kept?.choice ?? null)
  const { send, busy } = useSend()
  const vote = async () => {
    if (chosen === null) return
    const ballot = keepBallot(place, { choice: chosen, salt: randomBytes32() })
    setKept(ballot)
    setChosen(ballot.choice)
    try {
      await send([commitCall(network, juror, seat, ballot)], 'Vote committed')
    } catch (error) {
      // whatever else failed, an earlier or this commitment may be on its way, and only its salt reveals it
      if (kept === null && explain(error).kind === 'rejected') {
        dropBallot(place)
        setKept(null)
      }
      throw error
    }
  }
  return (
    <div className="grid grid-cols-1 gap-3">
      <fieldset className="grid gap-2" disabled={kept !== null || busy}>
        <legend className="mb-1 font-medium">Your vote</legend>
        <div className="flex flex-wrap gap-x-5 gap-y-2">
          {OFFERED.map((choice) => (
            <label key={choice} className="flex min-h-8 items-center gap-2">
              <input
                type="radio"
                name={`vote-${seat.disputeId}-${seat.round}`}
                checked={chosen === choice}
                onChange={() => setChosen(choice)}
                className="size-4 accent-brand"
              />
              For {CHOICE_WORDS[choice]}
            </label>
          ))}
        </div>
      </fieldset>
      {kept && <p className="text-xs text-muted">You have chosen in this round; the same vote is sent again.</p>}
      <ConnectionButton label="Commit vote" disabled={chosen === null} busy={busy} onAct={vote} />
      <p className="text-xs text-muted">
        Nobody sees it until you reveal it, in the next period and from this browser: the vote is kept here alone. Who
        does not reveal loses the stake of the seat.
      </p>
    </div>
  )
}

function Reveal({ juror, seat }: SeatProps) {
  const network = useNetwork()
  const config = useConfig()
  const ballot = ballotAt(usePlace({ juror, seat }))
  const { send, busy } = useSend()
  if (ballot === null)
    return (
      <Notice tone="bad">
        The vote and its salt are not in this browser; only they can be revealed. Open this page where you voted.
      </Notice>
    )
  const reveal = async () => {
    if (!(await mayReveal(config, network, seat)))
      throw new Error('The reveal period is not final yet; a vote shown too early costs its stake. Try in a moment.')
    await send([revealCall(network, juror, seat, ballot)], 'Vote revealed')
  }
  return <ConnectionButton label={`Reveal the vote for ${CHOICE_WORDS[ballot.choice]}`} busy={busy} onAct={reveal} />
}

function Settle({ juror, seat }: SeatProps) {
  const network = useNetwork()
  const { send, busy } = useSend()
  return (
    <div className="grid gap-2">
      {seat.ruling && <p>The ruling is for {CHOICE_WORDS[seat.ruling]}.</p>}
      <ConnectionButton
        label="Settle the seat"
        tone="secondary"
        busy={busy}
        onAct={() => send([settleCall(network, juror, seat)], 'Seat settled')}
      />
    </div>
  )
}

const WAITING: Partial<Record<Period, string>> = {
  Commit: 'You have committed. Come back to reveal when everybody has, or the time is over.',
  Reveal: 'Your vote is revealed.',
  Appeal: 'The votes are counted; either side can appeal.',
}

function Duty({ juror, seat }: SeatProps) {
  switch (dutyOf(seat)) {
    case 'vote':
      return <Vote juror={juror} seat={seat} />
    case 'reveal':
      return <Reveal juror={juror} seat={seat} />
    case 'settle':
      return <Settle juror={juror} seat={seat} />
    default:
      return <p className="text-muted">{(seat.current && WAITING[seat.period]) || 'There is nothing to do now.'}</p>
  }
}

/** A dispute the reader was drawn for: where it stands, what to do until when, and the case itself. */
export function SeatCard({ juror, seat }: SeatProps) {
  const [open, setOpen] = useState(false)
  const { tone, word } = PERIODS[seat.period]
  const id = seat.disputeId.toString()
  return (
    <Card title={`Dispute ${shortHash(id)}`} aside={<Badge tone={tone}>{word}</Badge>}>
      <div className="grid grid-cols-1 gap-3">
        <p className="flex flex-wrap items-center gap-x-2 text-xs text-muted">
          <span>
            {counted(seat.seats, 'seat')}, round {seat.round + 1}
          </span>
          {seat.period !== 'Solved' && (
            <span>
              · time left: <Countdown until={seat.endsAt} over="over" />
            </span>
          )}
          <CopyButton value={id} label="Copy the dispute's number" />
        </p>
        <Duty juror={juror} seat={seat} />
        <div className="border-t border-line pt-3">
          <Button tone="secondary" aria-expanded={open} onClick={() => setOpen(!open)}>
            {open ? 'Hide the case' : 'Read the case'}
          </Button>
        </div>
        {open && <CasePanel id={seat.disputeId} />}
      </div>
    </Card>
  )
}
