//! Instance discovery and OpenID configuration, as far as client libraries read them.

use serde_json::{Value, json};

use super::error::EntraError;
use crate::cloud::Cloud;
use crate::state::State;

/// Names that stand for any tenant.
const ANY_TENANT: [&str; 3] = ["common", "organizations", "consumers"];

/// `GET /common/discovery/instance`: which login hosts belong together.
pub(super) fn instances(query: &str) -> Result<Value, EntraError> {
    let authority = url::form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "authorization_endpoint")
        .map(|(_, value)| value.into_owned())
        .ok_or_else(|| EntraError::missing("authorization_endpoint"))?;
    let url = url::Url::parse(&authority).map_err(|_| EntraError::instance(&authority))?;
    let host = url.host_str().unwrap_or_default().to_owned();
    if !Cloud::ALL
        .iter()
        .any(|cloud| cloud.login_aliases().contains(&host.as_str()))
    {
        return Err(EntraError::instance(&authority));
    }
    let tenant = url
        .path_segments()
        .and_then(|mut parts| parts.next())
        .unwrap_or_default();
    let metadata = Cloud::ALL.iter().map(|cloud| {
        let network = match cloud {
            Cloud::China => "login.partner.microsoftonline.cn",
            Cloud::Public | Cloud::UsGovernment => cloud.login_host(),
        };
        let cache = match cloud {
            Cloud::Public => "login.windows.net",
            Cloud::China | Cloud::UsGovernment => network,
        };
        json!({
            "preferred_network": network,
            "preferred_cache": cache,
            "aliases": cloud.login_aliases(),
        })
    });
    Ok(json!({
        "tenant_discovery_endpoint":
            format!("https://{host}/{tenant}/v2.0/.well-known/openid-configuration"),
        "api-version": "1.1",
        "metadata": metadata.collect::<Vec<_>>(),
    }))
}

/// `GET /{tenant}/v2.0/.well-known/openid-configuration`.
pub(super) fn configuration(
    state: &State,
    cloud: Cloud,
    tenant: &str,
) -> Result<Value, EntraError> {
    let (segment, issuer_tenant) = match ANY_TENANT.contains(&tenant) {
        true => (tenant.to_owned(), "{tenantid}".to_owned()),
        false => {
            let found = state.directory.tenant(tenant, cloud);
            let id = found
                .ok_or_else(|| EntraError::tenant_in_discovery(tenant))?
                .tenant_id;
            (id.clone(), id)
        }
    };
    let base = format!("https://{}/{segment}", cloud.login_host());
    let graph = match cloud {
        Cloud::Public => "graph.microsoft.com",
        Cloud::UsGovernment => "graph.microsoft.us",
        Cloud::China => "microsoftgraph.chinacloudapi.cn",
    };
    Ok(json!({
        "token_endpoint": format!("{base}/oauth2/v2.0/token"),
        "token_endpoint_auth_methods_supported":
            ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "jwks_uri": format!("{base}/discovery/v2.0/keys"),
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "issuer": format!("https://{}/{issuer_tenant}/v2.0", cloud.login_host()),
        "authorization_endpoint": format!("{base}/oauth2/v2.0/authorize"),
        "device_authorization_endpoint": format!("{base}/oauth2/v2.0/devicecode"),
        "end_session_endpoint": format!("{base}/oauth2/v2.0/logout"),
        "claims_supported": ["sub", "iss", "aud", "exp", "iat", "tid", "ver"],
        "tenant_region_scope": "EU",
        "cloud_instance_name": cloud.login_host().trim_start_matches("login."),
        "msgraph_host": graph,
    }))
}
