import { blo } from 'blo'
import type { Hex } from 'viem'
import { CopyButton } from '../ui/CopyButton'
import { cn } from '../ui/cn'

export const shortAddress = (address: string) => `${address.slice(0, 6)}…${address.slice(-4)}`

interface AddressProps {
  address: string
  name?: string | null
  you?: boolean
  copy?: boolean
  className?: string
}

/** An account: its picture, its name if it has one, and its short address. */
export function Address({ address, name, you = false, copy = false, className }: AddressProps) {
  return (
    <span className={cn('inline-flex min-w-0 items-center gap-2', className)} title={address}>
      <img src={blo(address as Hex)} alt="" width={20} height={20} className="size-5 shrink-0 rounded-full" />
      <span className="min-w-0 truncate">
        {name && <span className="mr-1.5 font-medium">{name}</span>}
        <span className={cn('font-mono text-[13px]', name && 'text-muted')}>{shortAddress(address)}</span>
        {you && <span className="ml-1.5 text-xs text-muted">you</span>}
      </span>
      {copy && <CopyButton value={address} label="Copy address" />}
    </span>
  )
}
