import { Link } from 'react-router'
import { formatUsdc } from '@/chain/amount'
import { amountText } from '../web3/Amount'

/** Leads to the open tasks that can redeem a failure: those whose budget allows a deal worth as much. */
export function RedeemingTasks({ units }: { units: string }) {
  return (
    <Link to={`/auctions?from=${formatUsdc(BigInt(units))}`} className="text-brand underline underline-offset-2">
      Open tasks of {amountText(units)} or more
    </Link>
  )
}
