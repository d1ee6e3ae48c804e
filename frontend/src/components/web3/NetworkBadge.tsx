import { useQuery } from '@tanstack/react-query'
import { Globe, TriangleAlert } from 'lucide-react'
import { useState } from 'react'
import { useSwitchChain } from 'wagmi'
import { endpoints } from '@/api/endpoints'
import { keys } from '@/api/keys'
import { useLiveStatus } from '@/api/live'
import { useNetwork } from '@/chain/network'
import { useAccess } from '@/chain/useAccess'
import { Badge, type Tone } from '../ui/Badge'
import { Button } from '../ui/Button'
import { CopyButton } from '../ui/CopyButton'
import { cn } from '../ui/cn'
import { Dialog } from '../ui/Dialog'
import { ActionError, Notice } from '../ui/States'

const LIVE: Record<string, { tone: Tone; word: string }> = {
  live: { tone: 'ok', word: 'live' },
  connecting: { tone: 'neutral', word: 'connecting…' },
  reconnecting: { tone: 'warn', word: 'reconnecting…' },
  paused: { tone: 'neutral', word: 'paused' },
}

/** Whether the page is fed live. */
export function LiveBadge() {
  const { status } = useLiveStatus()
  const { tone, word } = LIVE[status] ?? { tone: 'neutral' as const, word: status }
  return (
    <span aria-live="polite">
      <Badge tone={tone}>{word}</Badge>
    </span>
  )
}

function Detail({ label, value }: { label: string; value: string }) {
  return (
    <div className="flex items-center justify-between gap-3 border-b border-line py-1.5 last:border-0">
      <dt className="shrink-0 text-xs text-muted">{label}</dt>
      <dd className="flex min-w-0 items-center gap-1 font-mono text-xs">
        <span className="truncate">{value}</span>
        <CopyButton value={value} label={`Copy ${label}`} />
      </dd>
    </div>
  )
}

function NetworkDialog({ onClose }: { onClose: () => void }) {
  const network = useNetwork()
  const access = useAccess()
  const switching = useSwitchChain()
  const status = useQuery({ queryKey: keys.status, queryFn: endpoints.status })
  return (
    <Dialog title="Network" onClose={onClose}>
      <div className="grid gap-4">
        {status.data && (
          <Notice tone={status.data.state === 'ok' ? 'ok' : 'warn'}>
            {status.data.sentence}
            {status.data.head_number !== null && (
              <span className="block text-xs text-muted">
                Newest block {status.data.head_number}, final {status.data.finalized_number ?? 'unknown'}
              </span>
            )}
          </Notice>
        )}
        <dl>
          <Detail label="Name" value={network.name} />
          <Detail label="Chain id" value={String(network.chain_id)} />
          <Detail label="RPC URL" value={network.rpc_url} />
          <Detail label="Currency" value={network.currency} />
          <Detail label="USDC" value={network.contracts.usdc} />
          <Detail label="Escrow" value={network.contracts.escrow} />
          <Detail label="Payment channel" value={network.contracts.payment_channel} />
          <Detail label="Reputation" value={network.contracts.reputation} />
        </dl>
        {access.state === 'wrong-network' && (
          <Button busy={switching.isPending} onClick={() => switching.mutate({ chainId: network.chain_id })}>
            Switch to {network.name}
          </Button>
        )}
        <ActionError error={switching.error} />
      </div>
    </Dialog>
  )
}

/** The network this page works on; opens its details, which are also what a wallet needs to add it by hand. */
export function NetworkBadge() {
  const network = useNetwork()
  const access = useAccess()
  const [open, setOpen] = useState(false)
  const wrong = access.state === 'wrong-network'
  const Icon = wrong ? TriangleAlert : Globe
  return (
    <>
      <button
        type="button"
        aria-label={`Network: ${network.name}${wrong ? ', your wallet is on another one' : ''}`}
        onClick={() => setOpen(true)}
        className="flex min-h-10 items-center rounded-control px-1 hover:bg-sunken"
      >
        <span className="flex max-[430px]:hidden">
          <Badge tone={wrong ? 'warn' : 'chain'}>
            <span className="max-w-24 truncate sm:max-w-none">{wrong ? 'Wrong network' : network.name}</span>
          </Badge>
        </span>
        <Icon aria-hidden className={cn('m-2 hidden size-4 max-[430px]:block', wrong ? 'text-warn' : 'text-chain')} />
      </button>
      {open && <NetworkDialog onClose={() => setOpen(false)} />}
    </>
  )
}
