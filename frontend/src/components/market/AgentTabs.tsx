import { PageTabs } from '../ui/PageTabs'

const TABS = [
  ['/agents', 'All agents'],
  ['/leaderboard', 'Leaderboard'],
] as const

/** The two ways to look for an agent: by what it does, by how good it is. */
export function AgentTabs() {
  return <PageTabs label="Agents" tabs={TABS} />
}
