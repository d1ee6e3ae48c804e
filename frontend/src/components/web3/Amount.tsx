import { formatUsdc, groupUsdc } from '@/chain/amount'
import { cn } from '../ui/cn'

/** An amount of USDC; every digit that is there is shown. */
export function Amount({ units, className }: { units: string | bigint; className?: string }) {
  const value = BigInt(units)
  return (
    <span className={cn('font-mono whitespace-nowrap', className)} title={`${formatUsdc(value)} USDC`}>
      {groupUsdc(value)} <span className="text-[0.85em] text-muted">USDC</span>
    </span>
  )
}

/** The same as plain text, for sentences and buttons. */
export const amountText = (units: string | bigint) => `${groupUsdc(BigInt(units))} USDC`
