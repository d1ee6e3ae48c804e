import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import type { Hex } from 'viem'
import { endpoints } from '@/api/endpoints'
import { keys } from '@/api/keys'
import { usePolling } from '@/api/live'
import type { NetworkOut, VouchOut } from '@/api/types'
import { serverNow } from '@/chain/clock'
import { DAY } from '@/chain/decay'
import { isSignedVouch, vouchMessage } from '@/chain/epochs'
import { useNetwork } from '@/chain/network'
import { randomBytes32 } from '@/chain/random'
import { askSignature, SheetClosed } from '@/chain/signing'
import { signingRequest } from '@/chain/typedData'
import { toast } from '@/components/ui/toast'
import { amountText } from '@/components/web3/Amount'

/** A vouch, and whether this page has found it signed by whom it binds. */
export interface CheckedVouch extends VouchOut {
  signed: boolean
}

async function readVouches(network: NetworkOut, agent: string): Promise<CheckedVouch[]> {
  const found = await endpoints.vouches(agent)
  return Promise.all(found.map(async (one) => ({ ...one, signed: await isSignedVouch(one, network) })))
}

/** Who vouches for an agent, each signature checked. */
export function useVouches(agent: string) {
  const network = useNetwork()
  const polling = usePolling()
  return useQuery({
    queryKey: keys.vouches(agent),
    queryFn: () => readVouches(network, agent),
    refetchInterval: polling,
  })
}

interface Wish {
  voucher: string
  agent: string
  units: bigint
  days: number
}

async function sign(network: NetworkOut, { voucher, agent, units, days }: Wish): Promise<VouchOut> {
  const from = serverNow()
  const fields = {
    voucher,
    agent,
    at_risk_units: units.toString(),
    valid_from: from,
    valid_until: from + days * DAY,
    salt: randomBytes32(),
  }
  const signature = await askSignature({
    title: `Vouch with ${amountText(units)}`,
    intro:
      'Failures of this agent weigh less while you vouch, and those it has until the end count in your own score, up to this amount.',
    rows: [
      { label: 'For', value: agent, kind: 'address' },
      { label: 'At risk', value: units.toString(), kind: 'amount' },
      { label: 'Until', value: String(fields.valid_until), kind: 'time' },
    ],
    checks: [],
    problems: [],
    next: 'Nothing is paid and no stake moves. A vouch cannot be taken back before its end.',
    request: signingRequest('Vouch', network, vouchMessage(fields)),
  })
  const { at_risk_units, valid_from, valid_until, salt } = fields
  return endpoints.vouch(agent, { at_risk_units, valid_from, valid_until, salt: salt as Hex, signature })
}

/** Signs a vouch and sends it; closing the sheet is no error. */
export function useVouch() {
  const network = useNetwork()
  const client = useQueryClient()
  return useMutation<VouchOut | null, unknown, Wish>({
    mutationFn: (wish) =>
      sign(network, wish).catch((error: unknown) => {
        if (error instanceof SheetClosed) return null
        throw error
      }),
    onSuccess: (made) => {
      if (!made) return
      void client.invalidateQueries({ queryKey: keys.vouches(made.agent) })
      toast('ok', 'You vouch for this agent', 'It counts from the next epoch on, if five full witnesses speak for you.')
    },
  })
}
