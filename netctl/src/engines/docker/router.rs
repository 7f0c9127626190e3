//! Which method is carried out by whom, by its name. Each reads its call, has the engine do it, and answers.

use axum::{
    Json, Router,
    extract::{Request, State},
    http::Uri,
    middleware,
    routing::{MethodRouter, post},
};
use serde_json::{Value, json};

use super::{
    call::Call,
    door::{Door, News},
    endpoints, ipam, networks, ports,
    refusal::Refusal,
    requests::{NewEndpoint, NewNetwork, NewPool, RequestError, identifier},
    wire,
};
use crate::model::Id;

type Answer<T> = Result<Json<T>, Refusal>;

/// All methods of Docker's protocols for network and IPAM drivers.
pub fn router(door: Door) -> Router {
    let told = |answer: Value| -> MethodRouter<Door> { post(move || async move { Json(answer) }) };
    Router::new()
        .route("/Plugin.Activate", told(json!({"Implements": ["NetworkDriver", "IpamDriver"]})))
        .route(
            "/NetworkDriver.GetCapabilities",
            told(json!({"Scope": "local", "ConnectivityScope": "local", "GwAllocChecker": true})),
        )
        // dockerd gives a gateway's address out even where the host does without, and nobody else shall have it.
        .route("/NetworkDriver.GwAllocCheck", told(json!({"SkipIPv4": false, "SkipIPv6": false})))
        // Only managers of a swarm ask, and only drivers of more than one host.
        .route("/NetworkDriver.AllocateNetwork", told(json!({"Options": {}})))
        .route("/NetworkDriver.FreeNetwork", told(json!({})))
        .route("/NetworkDriver.DiscoverNew", told(json!({})))
        .route("/NetworkDriver.DiscoverDelete", told(json!({})))
        .route("/NetworkDriver.CreateNetwork", post(create_network))
        .route("/NetworkDriver.DeleteNetwork", post(delete_network))
        .route("/NetworkDriver.CreateEndpoint", post(create_endpoint))
        .route("/NetworkDriver.EndpointOperInfo", post(endpoint_info))
        .route("/NetworkDriver.DeleteEndpoint", post(delete_endpoint))
        .route("/NetworkDriver.Join", post(join))
        .route("/NetworkDriver.Leave", post(leave))
        .route("/NetworkDriver.ProgramExternalConnectivity", post(program))
        .route("/NetworkDriver.RevokeExternalConnectivity", post(revoke))
        .route(
            "/IpamDriver.GetCapabilities",
            // What is given out is kept in the state, and needs no replay.
            told(json!({"RequiresMACAddress": false, "RequiresRequestReplay": false})),
        )
        .route(
            "/IpamDriver.GetDefaultAddressSpaces",
            told(json!({"LocalDefaultAddressSpace": "netctl-local", "GlobalDefaultAddressSpace": "netctl-global"})),
        )
        .route("/IpamDriver.RequestPool", post(request_pool))
        .route("/IpamDriver.ReleasePool", post(release_pool))
        .route("/IpamDriver.RequestAddress", post(request_address))
        .route("/IpamDriver.ReleaseAddress", post(release_address))
        .fallback(async |uri: Uri| Refusal::NoMethod(method(&uri)))
        .method_not_allowed_fallback(async |uri: Uri| Refusal::NotPosted(method(&uri)))
        .layer(middleware::map_request_with_state(door.clone(), note))
        .with_state(door)
}

/// Whoever calls is a dockerd that runs.
async fn note(State(door): State<Door>, request: Request) -> Request {
    door.note_call();
    request
}

fn method(uri: &Uri) -> String {
    uri.path().trim_start_matches('/').chars().take(80).collect()
}

fn endpoint(network: &str, endpoint: &str) -> Result<Id, RequestError> {
    identifier("NetworkID", network)?;
    identifier("EndpointID", endpoint)
}

const DONE: Json<wire::Done> = Json(wire::Done {});

async fn create_network(State(door): State<Door>, Call(asked): Call<wire::CreateNetwork>) -> Answer<wire::Done> {
    let asked = NewNetwork::try_from(asked)?;
    door.change(move |engine| networks::create(engine, &asked)).await?;
    door.tell(News::Networks);
    Ok(DONE)
}

async fn delete_network(State(door): State<Door>, Call(asked): Call<wire::NetworkReference>) -> Answer<wire::Done> {
    let network = identifier("NetworkID", &asked.network_id)?;
    door.change(move |engine| networks::delete(engine, &network)).await?;
    door.tell(News::Networks);
    Ok(DONE)
}

async fn create_endpoint(
    State(door): State<Door>,
    Call(asked): Call<wire::CreateEndpoint>,
) -> Answer<wire::CreatedEndpoint> {
    let known = asked.interface.clone();
    let asked = NewEndpoint::try_from(asked)?;
    let interface = door.change(move |engine| endpoints::create(engine, &asked, &known)).await?;
    Ok(Json(wire::CreatedEndpoint { interface }))
}

async fn endpoint_info(
    State(door): State<Door>,
    Call(asked): Call<wire::EndpointReference>,
) -> Answer<wire::OperationalInfo> {
    let endpoint = endpoint(&asked.network_id, &asked.endpoint_id)?;
    door.change(move |engine| endpoints::info(engine, &endpoint)).await.map(Json)
}

async fn delete_endpoint(State(door): State<Door>, Call(asked): Call<wire::EndpointReference>) -> Answer<wire::Done> {
    let endpoint = endpoint(&asked.network_id, &asked.endpoint_id)?;
    let left = door.change(move |engine| endpoints::delete(engine, &endpoint)).await?;
    door.tell_of(left);
    Ok(DONE)
}

async fn join(State(door): State<Door>, Call(asked): Call<wire::Join>) -> Answer<wire::Joined> {
    let endpoint = endpoint(&asked.network_id, &asked.endpoint_id)?;
    let (container, joined) = door.change(move |engine| endpoints::join(engine, &endpoint, &asked.sandbox_key)).await?;
    door.tell(News::Container(container));
    Ok(Json(joined))
}

async fn leave(State(door): State<Door>, Call(asked): Call<wire::EndpointReference>) -> Answer<wire::Done> {
    let endpoint = endpoint(&asked.network_id, &asked.endpoint_id)?;
    let left = door.change(move |engine| endpoints::leave(engine, &endpoint)).await?;
    door.tell_of(left);
    Ok(DONE)
}

async fn program(State(door): State<Door>, Call(asked): Call<wire::ProgramExternalConnectivity>) -> Answer<wire::Done> {
    let (endpoint, ports) = (endpoint(&asked.network_id, &asked.endpoint_id)?, ports::published(&asked.options)?);
    door.change(move |engine| endpoints::publish(engine, &endpoint, &ports)).await?;
    Ok(DONE)
}

async fn revoke(State(door): State<Door>, Call(asked): Call<wire::EndpointReference>) -> Answer<wire::Done> {
    let endpoint = endpoint(&asked.network_id, &asked.endpoint_id)?;
    door.change(move |engine| endpoints::unpublish(engine, &endpoint)).await?;
    Ok(DONE)
}

async fn request_pool(State(door): State<Door>, Call(asked): Call<wire::RequestPool>) -> Answer<wire::GrantedPool> {
    let asked = NewPool::try_from(asked)?;
    door.change(move |engine| ipam::request_pool(engine, &asked)).await.map(Json)
}

async fn release_pool(State(door): State<Door>, Call(asked): Call<wire::PoolReference>) -> Answer<wire::Done> {
    door.change(move |engine| ipam::release_pool(engine, &asked.pool_id)).await?;
    Ok(DONE)
}

async fn request_address(
    State(door): State<Door>,
    Call(asked): Call<wire::RequestAddress>,
) -> Answer<wire::GrantedAddress> {
    door.change(move |engine| ipam::request_address(engine, &asked)).await.map(Json)
}

async fn release_address(State(door): State<Door>, Call(asked): Call<wire::ReleaseAddress>) -> Answer<wire::Done> {
    door.change(move |engine| ipam::release_address(engine, &asked)).await?;
    Ok(DONE)
}
