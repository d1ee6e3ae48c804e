import { useMutation, useQuery } from '@tanstack/react-query'
import { TriangleAlert } from 'lucide-react'
import { type FormEvent, useId, useState } from 'react'
import type { Address } from 'viem'
import { type Config, useConfig } from 'wagmi'
import { readContract } from 'wagmi/actions'
import { reputationAbi } from '@/abi/generated'
import { endpoints } from '@/api/endpoints'
import { keys } from '@/api/keys'
import type { EstimateIn, EstimateOut, NetworkOut, QuoteOut } from '@/api/types'
import { formatUsdc } from '@/chain/amount'
import { serverNow } from '@/chain/clock'
import { useNetwork } from '@/chain/network'
import { PriceBreakdown } from '@/components/market/PriceBreakdown'
import { Badge } from '@/components/ui/Badge'
import { Button } from '@/components/ui/Button'
import { Card } from '@/components/ui/Card'
import { Checks } from '@/components/ui/Checks'
import { Facts } from '@/components/ui/Facts'
import { TextField } from '@/components/ui/Field'
import { ActionError, Notice } from '@/components/ui/States'
import { Countdown } from '@/components/ui/Time'
import { Address as Account } from '@/components/web3/Address'
import { amountText } from '@/components/web3/Amount'
import { Command, ownNode } from '@/components/web3/Command'
import { type Outcomes, outcomesOf, type QuoteVerdict, verifyQuote } from './lib/quote'

/** The record a quote rests on, asked of a node; null where the node does not keep that block any more. */
async function readOutcomes(config: Config, network: NetworkOut, quote: QuoteOut): Promise<Outcomes | null> {
  try {
    const record = await readContract(config, {
      abi: reputationAbi,
      address: network.contracts.reputation as Address,
      functionName: 'recordOf',
      args: [quote.agent as Address],
      chainId: network.chain_id,
      blockNumber: BigInt(quote.as_of_block),
    })
    return outcomesOf(record)
  } catch {
    // the rest of the quote can be checked without it, and the page says that it was not asked
    return null
  }
}

interface Answer {
  estimate: EstimateOut
  quote: QuoteOut
  verdict: QuoteVerdict
  /** Whether a node was asked about the record. */
  asked: boolean
}

function useQuote() {
  const network = useNetwork()
  const config = useConfig()
  return useMutation({
    mutationFn: async (body: EstimateIn): Promise<Answer> => {
      const estimate = await endpoints.estimate(body)
      const { quote } = estimate
      if (!quote) throw new Error('The service gave no quote.')
      const chain = await readOutcomes(config, network, quote)
      const verdict = await verifyQuote(network, quote, serverNow(), chain)
      return { estimate, quote, verdict, asked: chain !== null }
    },
  })
}

function Verdict({ verdict, asked }: { verdict: QuoteVerdict; asked: boolean }) {
  return (
    <>
      <Checks sentences={verdict.checks} />
      {verdict.problems.length > 0 && (
        <div role="alert" className="rounded-control border border-bad/40 bg-bad-soft px-3 py-2">
          <p className="flex items-center gap-1.5 font-medium text-bad">
            <TriangleAlert aria-hidden className="size-4" />
            Do not rely on this quote.
          </p>
          <ul className="list-disc pl-5 text-sm">
            {verdict.problems.map((problem) => (
              <li key={problem}>{problem}</li>
            ))}
          </ul>
        </div>
      )}
      {!asked && <p className="text-xs text-muted">No node was found that could be asked about the agent's record.</p>}
    </>
  )
}

/** The command that asks for the same quote and keeps it, to be verified later. */
const askCommand = (quote: QuoteOut, urgency: string) =>
  `aicp quote ask ${quote.agent} --base ${formatUsdc(BigInt(quote.base_units))} --complexity ${quote.complexity} --urgency ${urgency} --out quote.json`

function Quoted({ answer: { estimate, quote, verdict, asked }, urgency }: { answer: Answer; urgency: string }) {
  const network = useNetwork()
  const holds = verdict.problems.length === 0
  const floor = estimate.price_floor_units
  return (
    <div className="grid grid-cols-1 gap-3 border-t border-line pt-3">
      <div className="flex flex-wrap items-center justify-between gap-2">
        <Account address={quote.agent} />
        <Badge tone={holds ? 'ok' : 'bad'}>{holds ? 'checked here' : 'does not hold'}</Badge>
      </div>
      <PriceBreakdown estimate={estimate} />
      <Facts
        facts={[
          ['Record', `${quote.successes} of ${quote.decided} decided escrows succeeded, block ${quote.as_of_block}`],
          ['Counts for', <Countdown key="until" until={quote.valid_until} over="no longer" />],
        ]}
      />
      {floor !== null && BigInt(floor) > BigInt(quote.price_units) && (
        <Notice tone="warn">The agent works for {amountText(floor)} at least, so it would not take this price.</Notice>
      )}
      <Verdict verdict={verdict} asked={asked} />
      <p className="text-xs text-muted">A quote says what the formula gives. What an agent works for is its bid.</p>
      <Command about="Ask for it by command and keep it:" command={askCommand(quote, urgency)} />
      <Command about="Compute a kept one again:" command={`aicp quote verify quote.json ${ownNode(network)}`} />
    </div>
  )
}

/** Asks what the formula gives for an agent, signed by the operator, and checks the answer here. */
export function QuoteCard({ asked }: { asked: Omit<EstimateIn, 'agent'> | null }) {
  const [agent, setAgent] = useState('')
  const list = useId()
  const ask = useQuote()
  const agents = useQuery({ queryKey: keys.agents, queryFn: () => endpoints.agentsAvailable(), staleTime: 60_000 })
  const onSubmit = (event: FormEvent) => {
    event.preventDefault()
    if (asked && agent.trim() !== '') ask.mutate({ ...asked, agent: agent.trim() })
  }
  return (
    <Card title="An agent's quote">
      <div className="grid grid-cols-1 gap-3">
        <form onSubmit={onSubmit} className="grid grid-cols-1 items-start gap-3 sm:grid-cols-[minmax(0,1fr)_auto]">
          <TextField
            label="Agent"
            placeholder="address or name"
            hint="Its own record takes the place of the one above."
            list={list}
            autoComplete="off"
            spellCheck={false}
            value={agent}
            onChange={(event) => setAgent(event.target.value)}
          />
          <datalist id={list}>
            {(agents.data ?? []).map((one) => (
              <option key={one.address} value={one.address}>
                {one.name}
              </option>
            ))}
          </datalist>
          <Button type="submit" busy={ask.isPending} disabled={!asked || agent.trim() === ''} className="sm:mt-6.5">
            Ask for a quote
          </Button>
        </form>
        <ActionError error={ask.error} />
        <div aria-live="polite">
          {ask.data && <Quoted answer={ask.data} urgency={ask.variables.urgency ?? '1.0'} />}
        </div>
      </div>
    </Card>
  )
}
