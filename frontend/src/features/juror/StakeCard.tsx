import { useState } from 'react'
import type { Address } from 'viem'
import { useOutcome } from '@/api/outcome'
import { formatUsdc, parseUsdc } from '@/chain/amount'
import { collectCall } from '@/chain/appeal'
import { useNetwork } from '@/chain/network'
import { Card } from '@/components/ui/Card'
import { Facts } from '@/components/ui/Facts'
import { AmountField } from '@/components/ui/Field'
import { ErrorState, SkeletonRows } from '@/components/ui/States'
import { Countdown, useServerNow } from '@/components/ui/Time'
import { Amount, amountText } from '@/components/web3/Amount'
import { ConnectionButton } from '@/components/web3/ConnectionButton'
import { completeUnstakeCall, type Standing, stakeCalls, unstakeCall, useStanding } from './lib/court'
import { useSend } from './lib/useSend'

/** What is wrong with an amount to stake or ask back, in a sentence. */
function wrongAmount(text: string, most: bigint | null): string | null {
  const units = parseUsdc(text)
  if (units === null || units === 0n) return 'Write an amount, such as 100.'
  if (most !== null && units > most) return `At most ${amountText(most)}.`
  return null
}

interface AmountActProps {
  label: string
  button: string
  hint: string
  most: bigint | null
  tone?: 'primary' | 'secondary'
  onAct: (units: bigint) => Promise<void>
  busy: boolean
}

function AmountAct({ label, button, hint, most, tone = 'primary', onAct, busy }: AmountActProps) {
  const [text, setText] = useState('')
  const [tried, setTried] = useState(false)
  const wrong = wrongAmount(text, most)
  const act = async () => {
    setTried(true)
    const units = parseUsdc(text)
    if (wrong !== null || units === null) return
    await onAct(units)
    setText('')
    setTried(false)
  }
  return (
    <div className="grid gap-2">
      <AmountField
        label={label}
        hint={hint}
        error={tried ? wrong : null}
        value={text}
        onChange={(event) => setText(event.target.value)}
      />
      <ConnectionButton label={button} tone={tone} onAct={act} busy={busy} />
    </div>
  )
}

function AskedBack({ juror, standing }: { juror: Address; standing: Standing }) {
  const network = useNetwork()
  const now = useServerNow()
  const { send, busy } = useSend()
  if (standing.requested === 0n) return null
  const due = standing.unbondAt <= now
  return (
    <div className="grid gap-2 border-t border-line pt-3">
      <p>
        <Amount units={standing.requested} /> asked back
        {due ? ', ready to be paid out.' : <>, paid out in </>}
        {!due && <Countdown until={standing.unbondAt} over="a moment" />}
      </p>
      <div className="flex flex-wrap gap-2">
        <ConnectionButton
          label="Pay out"
          disabled={!due}
          busy={busy}
          onAct={() => send([completeUnstakeCall(network, juror)], 'Stake paid out')}
        />
        <ConnectionButton
          label="Take back the request"
          tone="secondary"
          busy={busy}
          onAct={() => send([unstakeCall(network, 0n)], 'Request taken back')}
        />
      </div>
    </div>
  )
}

function Stake({ juror, standing }: { juror: Address; standing: Standing }) {
  const network = useNetwork()
  const { send, busy } = useSend()
  const { free, locked, weight, balance, perSeat, penalty, fee } = standing
  return (
    <div className="grid grid-cols-1 gap-4">
      <Facts
        facts={[
          ['Free', <Amount key="free" units={free} className="font-semibold" />],
          ['At risk in disputes', <Amount key="locked" units={locked} />],
          ['Weight in the draw', <Amount key="weight" units={weight} />],
          ['Rewards', <Amount key="rewards" units={balance} />],
        ]}
      />
      {balance > 0n && (
        <ConnectionButton
          label={`Collect ${amountText(balance)}`}
          busy={busy}
          onAct={() => send([collectCall(network, balance)], 'Rewards are in your wallet')}
        />
      )}
      <AmountAct
        label="Stake"
        button="Stake"
        hint="Two transactions of your wallet, which needs gas: the arbiter is allowed this amount, then takes it."
        most={null}
        busy={busy}
        onAct={(units) => send(stakeCalls(network, units), `${formatUsdc(units)} USDC staked`)}
      />
      {free > 0n && standing.requested === 0n && (
        <AmountAct
          label="Ask back"
          button="Ask back"
          hint="It leaves the draw at once and is paid out after a wait."
          most={free}
          tone="secondary"
          busy={busy}
          onAct={(units) => send([unstakeCall(network, units)], `${formatUsdc(units)} USDC asked back`)}
        />
      )}
      <AskedBack juror={juror} standing={standing} />
      <p className="text-xs text-muted">
        A seat is paid {amountText(fee)} and puts {amountText(perSeat)} at risk: {amountText(penalty)} of it are lost
        with a vote against the final ruling, all of it with silence.
      </p>
    </div>
  )
}

/** The juror's stake and rewards, and how to change them. */
export function StakeCard({ juror }: { juror: Address }) {
  const standing = useStanding(juror)
  const { data } = standing
  const { loading, failure } = useOutcome(standing)
  return (
    <Card title="Your stake as a juror">
      {loading && <SkeletonRows label="Reading your stake" rows={3} />}
      {failure !== null && <ErrorState error={failure} onRetry={() => void standing.refetch()} />}
      {data && <Stake juror={juror} standing={data} />}
    </Card>
  )
}
