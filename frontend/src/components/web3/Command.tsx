import type { NetworkOut } from '@/api/types'
import { CopyButton } from '../ui/CopyButton'

const LOCAL_CHAIN = 31337

/** The local chain's contracts are not published: their addresses are in the state of the stack that runs. */
const deploymentOf = ({ chain_id }: NetworkOut) =>
  `${chain_id === LOCAL_CHAIN ? '.aicp/' : ''}deployments/${chain_id}.json`

/** Options of a command that takes a node and the published addresses instead of the service's word. */
export const ownNode = (network: NetworkOut) => `--rpc ${network.rpc_url} --deployment ${deploymentOf(network)}`

/** A command that does the same without the page, to be copied. */
export function Command({ about, command }: { about: string; command: string }) {
  return (
    <div className="grid gap-1">
      <p className="text-xs text-muted">{about}</p>
      <div className="flex items-start gap-1 rounded-control bg-sunken px-2.5 py-1.5">
        <code className="min-w-0 flex-1 font-mono text-xs break-all">{command}</code>
        <CopyButton value={command} label="Copy command" />
      </div>
    </div>
  )
}
