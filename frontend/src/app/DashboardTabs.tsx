import { PageTabs } from '@/components/ui/PageTabs'

const TABS = [
  ['/me', 'Buying'],
  ['/me/agent', 'Agent'],
  ['/activity', 'Activity'],
] as const

/** The reader's own pages. */
export function DashboardTabs() {
  return <PageTabs label="Dashboard" tabs={TABS} />
}
