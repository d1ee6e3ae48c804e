import { useState } from 'react'
import { type Address as Account, isAddressEqual } from 'viem'
import { useOutcome } from '@/api/outcome'
import { parseUsdc } from '@/chain/amount'
import { useReader } from '@/chain/useAccess'
import { Badge } from '@/components/ui/Badge'
import { Button } from '@/components/ui/Button'
import { Card } from '@/components/ui/Card'
import { AmountField, SelectField } from '@/components/ui/Field'
import { ErrorState, Notice, SkeletonRows } from '@/components/ui/States'
import { RelativeTime } from '@/components/ui/Time'
import { Address } from '@/components/web3/Address'
import { Amount } from '@/components/web3/Amount'
import { ConnectionButton } from '@/components/web3/ConnectionButton'
import { type CheckedVouch, useVouch, useVouches } from './lib/vouch'

const DAYS = [7, 30, 90] as const

function Row({ vouch }: { vouch: CheckedVouch }) {
  return (
    <li className="grid gap-1 border-t border-line py-2 first:border-0 first:pt-0">
      <div className="flex flex-wrap items-center justify-between gap-2">
        <Address address={vouch.voucher} name={vouch.voucher_name} />
        {vouch.signed ? (
          <Badge tone={vouch.open ? 'ok' : 'neutral'}>{vouch.open ? 'signed' : 'over'}</Badge>
        ) : (
          <Badge tone="bad">not signed by it</Badge>
        )}
      </div>
      <p className="text-xs text-muted">
        <Amount units={vouch.at_risk_units} /> at risk, ends{' '}
        <RelativeTime at={new Date(vouch.valid_until * 1000).toISOString()} />
      </p>
    </li>
  )
}

function VouchForm({ agent, reader }: { agent: Account; reader: Account | undefined }) {
  const [text, setText] = useState('')
  const [days, setDays] = useState('30')
  const [error, setError] = useState<string | null>(null)
  const vouch = useVouch()
  const act = () => {
    const units = parseUsdc(text)
    const problem = units === null || units === 0n ? 'Write an amount such as 5 or 2.50.' : null
    setError(problem)
    if (units && reader) vouch.mutate({ voucher: reader, agent, units, days: Number(days) })
  }
  return (
    <div className="grid gap-3 border-t border-line pt-3">
      <AmountField
        label="At risk"
        value={text}
        error={error}
        hint="At most your free stake. Nothing is paid; it limits what counts against you."
        onChange={(event) => setText(event.target.value)}
      />
      <SelectField label="For" value={days} onChange={(event) => setDays(event.target.value)}>
        {DAYS.map((one) => (
          <option key={one} value={one}>
            {one} days
          </option>
        ))}
      </SelectField>
      <ConnectionButton label="Sign the vouch" onAct={act} busy={vouch.isPending} error={vouch.error} />
    </div>
  )
}

/** Who vouches for the agent, and a form for those who want to. */
export function VouchCard({ agent }: { agent: Account }) {
  const [open, setOpen] = useState(false)
  const reader = useReader()
  const vouches = useVouches(agent)
  const { loading, failure } = useOutcome(vouches)
  const own = reader !== undefined && isAddressEqual(reader, agent)
  return (
    <Card title="Vouches">
      <div className="grid grid-cols-1 gap-3">
        {loading && <SkeletonRows label="Loading the vouches" rows={1} />}
        {failure !== null && <ErrorState error={failure} onRetry={() => void vouches.refetch()} />}
        {vouches.data?.length === 0 && <p className="text-muted">No agent vouches for this one.</p>}
        {vouches.data && vouches.data.length > 0 && (
          <ul aria-label="Vouches">
            {vouches.data.map((vouch) => (
              <Row key={vouch.vouch_hash} vouch={vouch} />
            ))}
          </ul>
        )}
        {vouches.data?.some(({ signed }) => !signed) && (
          <Notice tone="bad">The service shows a vouch that its agent has not signed.</Notice>
        )}
        {!own && (
          <div>
            <Button tone="secondary" aria-expanded={open} onClick={() => setOpen(!open)}>
              {open ? 'Do not vouch' : 'Vouch for this agent'}
            </Button>
          </div>
        )}
        {open && !own && <VouchForm agent={agent} reader={reader} />}
      </div>
    </Card>
  )
}
