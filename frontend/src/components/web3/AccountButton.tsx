import { useQuery } from '@tanstack/react-query'
import { LogOut } from 'lucide-react'
import { useState } from 'react'
import { useDisconnect } from 'wagmi'
import { endpoints } from '@/api/endpoints'
import { keys } from '@/api/keys'
import { useSession, useSignOut } from '@/api/session'
import { useAccess } from '@/chain/useAccess'
import { Button } from '../ui/Button'
import { cn } from '../ui/cn'
import { Dialog } from '../ui/Dialog'
import { Skeleton } from '../ui/States'
import { Address, shortAddress } from './Address'
import { Amount } from './Amount'
import { ConnectionButton } from './ConnectionButton'

function AccountDialog({ address, onClose }: { address: string; onClose: () => void }) {
  const access = useAccess()
  const session = useSession()
  const signOut = useSignOut()
  const disconnect = useDisconnect()
  const balances = useQuery({ queryKey: keys.balances(address), queryFn: () => endpoints.balances(address) })
  const leave = async () => {
    if (session.data) await signOut()
    disconnect.mutate({})
    onClose()
  }
  return (
    <Dialog title="Account" onClose={onClose}>
      <div className="grid gap-4">
        <Address address={address} copy />
        <dl className="grid grid-cols-2 gap-3 text-sm">
          <div>
            <dt className="text-xs text-muted">In the wallet</dt>
            <dd>{balances.data ? <Amount units={balances.data.usdc_units} /> : <Skeleton className="h-5 w-24" />}</dd>
          </div>
          <div>
            <dt className="text-xs text-muted">To collect</dt>
            <dd>
              {balances.data ? <Amount units={balances.data.collectable_units} /> : <Skeleton className="h-5 w-24" />}
            </dd>
          </div>
        </dl>
        {access.state !== 'ready' && <ConnectionButton label="Signed in" onAct={onClose} />}
        <Button tone="secondary" onClick={() => void leave()}>
          <LogOut aria-hidden className="size-4" />
          Disconnect
        </Button>
      </div>
    </Dialog>
  )
}

/** The corner of the header: connect, or the account with its menu. */
export function AccountButton() {
  const access = useAccess()
  const [open, setOpen] = useState(false)
  if (access.state === 'disconnected')
    return <ConnectionButton label="Connect wallet" onAct={() => undefined} tone="secondary" />
  if (!access.address) return <Skeleton className="h-9 w-28" />
  const waiting = access.state === 'reconnecting'
  return (
    <>
      <button
        type="button"
        aria-label={`Account ${shortAddress(access.address)}`}
        disabled={waiting}
        onClick={() => setOpen(true)}
        className={cn(
          'flex min-h-10 items-center rounded-control border border-control/60 bg-surface px-2.5 hover:bg-sunken',
          waiting && 'opacity-60',
        )}
      >
        <Address address={access.address} className="max-sm:[&>span]:hidden" />
      </button>
      {open && <AccountDialog address={access.address} onClose={() => setOpen(false)} />}
    </>
  )
}
