export { AgentDashboardPage } from './AgentDashboardPage'
export { BuyerDashboardPage } from './BuyerDashboardPage'
